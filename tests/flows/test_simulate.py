"""Users against a service that runs as a process of its own: what it logs is what they did."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.domain import DAY
from components.ingest.decision_log import read_decision_log
from components.publish.bundle import write_bundle
from components.publish.pointer import Pointer, Role, move_pointer
from components.world.visits import Answer, Visit
from flows.live.simulate import Crowd, Wanted
from flows.live.simulate_page import simulate_page
from flows.live.simulate_record import Played, Seen, SimulateRecord, summarise
from tests.bento.test_served_process import wait_until_ready
from tests.conftest import ROOT
from tests.docs.test_docs import free_port
from tests.publish.conftest import make_content

SOURCE = """
name = "ratings"
title = "Ratings"
pretrain = "1d"
[columns]
user_id = "who"
item_id = "film"
[time]
column = "at"
unit = "s"
[outcome]
column = "stars"
kind = "rating"
at_least = 8
[[fields]]
name = "user"
kind = "id"
of = "user"
[[fields]]
name = "item"
kind = "id"
of = "item"
[world]
period = "day"
"""
TOKEN = "0123456789abcdef-users"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a champion, a source and its log of four days: 60 visits a day, of two films each."""
    made = tmp_path_factory.mktemp("live")
    write_bundle(made / "home" / "bundles", make_content())
    move_pointer(made / "home", Role.CHAMPION, Pointer.to(1))
    (made / "ratings.toml").write_text(SOURCE)
    rows = np.arange(4 * 60 * 2)
    films = np.array(["heat", "alien", "brazil"])
    log = {"who": rows // 2 % 60, "film": films[rows % 3], "at": 15_000 * 86_400 + rows // 120 * 86_400 + rows % 120}
    pd.DataFrame(log | {"stars": 5 + rows % 5}).to_parquet(made / "log.parquet")
    (made / "tokens").write_text(f"rank,outcome {TOKEN}\n")
    (made / "token").write_text(TOKEN)
    return made


@contextmanager
def served(folder: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The service, ready, until the block ends."""
    environment = os.environ | {
        "EVERCURRENT_HOME": str(folder / "home"),
        "EVERCURRENT_TOKENS": str(folder / "tokens"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    words = [sys.executable, "-m", "bentoml", "serve", "bento.service:Evercurrent", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=ROOT, env=environment, start_new_session=True, stdout=quiet, stderr=quiet)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    port = free_port()
    with served(folder, port):
        yield f"http://127.0.0.1:{port}"


def command(folder: Path, url: str, *words: str) -> list[str]:
    log = ["--source", str(folder / "ratings.toml"), "--data", str(folder / "log.parquet"), "--url", url]
    return [sys.executable, "-m", "flows.cli", "simulate", *log, "--home", str(folder / "client"), *words]


def simulate(folder: Path, url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a person would run it, with the token."""
    told = command(folder, url, *words)
    environment = os.environ | {"EVERCURRENT_TOKEN": TOKEN}
    return subprocess.run(told, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def until_logged(folder: Path, going: "subprocess.Popen[Any]") -> None:
    """Until what somebody who plays asks stands in the decision log."""

    def size() -> int:
        return sum(p.stat().st_size for p in (folder / "home" / "decisions").glob("*.jsonl"))

    before, end = size(), time.monotonic() + 90
    while size() == before:
        assert going.poll() is None
        assert time.monotonic() < end, "nothing was asked"
        time.sleep(0.05)


def test_what_users_do_stands_in_the_decision_log_and_in_the_record(folder: Path, url: str) -> None:
    page = folder / "page.html"
    done = simulate(
        folder, url, "--requests", "80", "--token-file", str(folder / "token"), "--page", str(page), "--json"
    )
    assert done.returncode == 0, done.stderr
    record = SimulateRecord.model_validate_json(done.stdout)
    assert (record.requests, record.choices, record.outcomes, record.repeated, record.ended) == (
        80,
        80,
        80,
        0,
        "requests",
    )
    assert (record.since, record.until[:10]) == ("2011-01-27T00:00:00Z", "2011-01-28")
    tables = read_decision_log(sorted((folder / "home" / "decisions").glob("*.jsonl")))
    assert len(tables.requests) == len(tables.impressions) == len(tables.outcomes) == 80
    assert set(tables.requests["user_id"]) == {str(u) for u in range(60)}
    earned = record.generations[0]
    assert earned.earned == pytest.approx(float(tables.outcomes["reward"].mean()), abs=1e-6)
    assert earned.random <= earned.oracle
    assert "<title>" in page.read_text()
    assert not (folder / "client").exists(), "a client keeps no state"


def test_who_goes_on_meets_the_rest_and_the_log_ends(folder: Path, url: str) -> None:
    done = simulate(folder, url, "--skip", "150", "--seconds", "60")
    assert done.returncode == 0, done.stderr
    assert "30 requests and 30 outcomes" in done.stdout
    assert "--since 2011-01-27T00:00:00Z --skip 180" in done.stdout


def test_a_service_that_stands_still_is_asked_the_same_and_told_nothing(folder: Path, url: str) -> None:
    def known() -> tuple[int, int]:
        tables = read_decision_log(sorted((folder / "home" / "decisions").glob("*.jsonl")))
        return len(tables.requests), len(tables.outcomes)

    requests, outcomes = known()
    done = simulate(folder, url, "--requests", "20", "--frozen", url, "--json")
    assert done.returncode == 0, done.stderr
    assert known() == (requests + 40, outcomes + 20), "one home for both, here"
    whole = SimulateRecord.model_validate_json(done.stdout).whole
    assert whole is not None
    assert whole.gain is not None
    assert abs(whole.gain) <= 1
    assert whole.gain == pytest.approx(whole.earned - (whole.frozen or 0.0))


def test_ctrl_c_leaves_the_record_of_what_was_played(folder: Path, url: str) -> None:
    words = command(folder, url, "--rate", "20", "--json", "--token-file", str(folder / "token"))
    going = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until_logged(folder, going)
        going.send_signal(signal.SIGINT)
        out, _ = going.communicate(timeout=60)
    finally:
        going.kill()
    assert going.returncode == 130
    assert json.loads(out)["ended"] == "interrupted"


def test_users_of_a_service_that_is_killed_and_started_anew_come_again(folder: Path) -> None:
    port = free_port()
    words = command(
        folder, f"http://127.0.0.1:{port}", "--rate", "10", "--requests", "40", "--patience", "90", "--json"
    )
    environment = os.environ | {"EVERCURRENT_TOKEN": TOKEN}
    with served(folder, port) as first:
        going = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until_logged(folder, going)
        os.killpg(first.pid, signal.SIGKILL)
    try:
        with served(folder, port):
            out, said = going.communicate(timeout=120)
    finally:
        going.kill()
    assert going.returncode == 0, said
    record = SimulateRecord.model_validate_json(out)
    assert record.requests == record.outcomes == 40
    assert record.retried > 0


def bad_words(folder: Path) -> "dict[str, tuple[tuple[str, ...], int, str]]":
    """Name -> words, exit code, what the line says."""
    return {
        "token": (("--token-file", str(folder / "log.parquet")), 3, "no file with a token"),
        "since": (("--since", "noon"), 2, "--since is 'noon'; allowed is an ISO instant"),
        "too late": (("--since", "2030-01-01"), 3, "the log ends 2011-01-29"),
        "days": (("--days", "9"), 3, "source ratings is recorded"),
        "nobody": (("--url", "http://127.0.0.1:9", "--patience", "0"), 75, "is the service running?"),
        "no url": (("--url", "nowhere", "--patience", "0"), 3, "allowed is such as http://127.0.0.1:3000"),
    }


@pytest.mark.parametrize("name", ["token", "since", "too late", "days", "nobody", "no url"])
def test_what_cannot_be_played_is_one_line_and_a_code(folder: Path, url: str, name: str) -> None:
    words, code, line = bad_words(folder)[name]
    done = simulate(folder, url, *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_the_token_it_says_where_one_is_named(folder: Path, url: str) -> None:
    words = command(folder, url)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "answered 401" in done.stderr
    assert "EVERCURRENT_TOKEN" in done.stderr


class Counting:
    """A service that answers at once, or fails, and knows how many ask it at a time."""

    def __init__(self) -> None:
        self.here, self.most = 0, 0

    async def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0)
        self.here -= 1
        shown = [{"item_id": "x", "impression_id": "i"}]
        return {"slate": shown, "generation": 1} if path == "/rank" else {"accepted": True, "reward": 1.0}


def crowd(client: object) -> Crowd:
    """Users of a service, whose clock stands still."""
    return Crowd(client, "click", 1, lambda: 0.0)  # type: ignore[arg-type]


VISIT = Visit("ann", 0, {"x": Answer(1, None, 1.0)}, {})


def test_no_more_users_come_at_a_time_than_is_said() -> None:
    service = Counting()
    users = crowd(service)
    asyncio.run(users.play(iter([VISIT] * 50), iter([0.0] * 50), Wanted("", concurrency=3)))
    assert (len(users.seen), service.most, users.ended) == (50, 3, "log")


def test_what_is_earned_above_a_service_that_stands_still_is_compared_request_by_request() -> None:
    one = Seen(0.0, 1, 1.0, 0.25, 1.0, True, 3.0, 0)
    record = record_of([replace(one, earned=float(n % 2), frozen=n % 2 - 0.5) for n in range(100)])
    whole = record.whole
    assert whole is not None
    assert (whole.gain, whole.gain_half, whole.frozen) == (0.5, 0.0, 0.0)
    assert whole.share_of(whole.frozen) == pytest.approx(-1 / 3)
    page = simulate_page(record)
    assert "Frozen is a second service" in page
    assert "Frozen is a second service" not in simulate_page(record_of([one]))


def record_of(seen: list[Seen]) -> SimulateRecord:
    return summarise(Played("http://x", "s", "reward", 0, 0, DAY, "log", 60.0, seen, len(seen), 0, 0))


def test_a_record_tells_each_generation_and_each_stretch_apart() -> None:
    one = Seen(0.0, 1, 1.0, 0.5, 1.0, True, 3.0, 0)
    seen = [replace(one, seconds=n / 50, generation=1 + (n >= 1250), earned=float(n % 2)) for n in range(3000)]
    record = record_of([*seen, replace(one, choice=False)])
    assert [(g.generation, g.requests, g.earned, g.share) for g in record.generations] == [
        (1, 1250, 0.5, 0.0),
        (2, 1750, 0.5, 0.0),
    ]
    assert (record.requests, record.choices) == (3001, 3000)
    assert [(s.seconds, s.generation, s.requests) for s in record.slices][2:4] == [(25.0, 1, 250), (25.0, 2, 250)]


def test_a_record_without_a_choice_has_a_page_too() -> None:
    record = record_of([Seen(0.0, 1, 1.0, 0.5, 1.0, False, 3.0, 0)])
    assert (record.generations, record.slices) == ((), ())
    assert "<title>" in simulate_page(record)
