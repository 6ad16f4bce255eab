"""The control room as its users have it: a real server, a real worker, runs asked for over the API, and a browser.

One run waits for a person, is answered in the UI's form, and is then looked at from all sides.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.domain import iso
from tests.control_room.browser import BROWSER, Page, browser
from tests.control_room.conftest import Played
from tests.control_room.receiver import receiver
from tests.control_room.stack import Stack, stack, until

KEYS = {"window", "contract", "drift", "update", "memory", "evaluation", "release"}
STAGES = (
    "ingest",
    "forget",
    "validate",
    "read",
    "drift",
    "memory",
    "canary",
    "update",
    "evaluate",
    "held-out",
    "publish",
    "close",
)
INFO = 20


@dataclass(frozen=True)
class Asked:
    """A run that was asked for over the API, and the one below it that asks a person."""

    stack: Stack
    played: Played
    id: str
    question: str

    @property
    def cutoff(self) -> str:
        return iso(int(self.played.cutoff.timestamp()) * 1_000_000)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The server, the worker, and their address."""
    with stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def daily(room: Stack) -> str:
    """The deployment of the loop, as ``prefect.yaml`` has it."""
    return room.deploy("flows/daily_loop.py:daily_loop")


@pytest.fixture(scope="module")
def waiting(room: Stack, daily: str, copies: Callable[[], Played]) -> Asked:
    """A run of the loop that came to the question."""
    played = copies().set('\n[control_room]\nreports_url = "https://reports.example.org/tiny"\n')
    parameters = {"home": str(played.home), "cutoff": played.cutoff.isoformat(), "approve": True}
    run = room.run(daily, parameters)
    return Asked(room, played, run, room.question(run))


@pytest.fixture(scope="module")
def done(waiting: Asked, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """The same run after a person said yes: in the form of the UI where there is a browser, else over the API."""
    stack = waiting.stack
    if BROWSER is None:
        stack.post(f"/flow_runs/{waiting.question}/resume", {"run_input": {"approve": True, "note": "looked"}})
    else:
        folder = tmp_path_factory.mktemp("form")
        with browser(folder) as page:
            _say_yes(page, f"{stack.ui}/runs/flow-run/{waiting.question}", folder)
    assert stack.ended(waiting.id)["state_type"] == "COMPLETED"
    return waiting


def _say_yes(page: Page, address: str, folder: Path) -> None:
    """Answer the form; a server that is busy may refuse it, and the page says so: then once more, as a person would."""
    for left in (2, 1, 0):
        page.open(address)
        if "Paused" in page.wait_for("PROMOTE? Resume to answer", "home:"):
            _fill_in(page, folder)
        try:
            page.wait_for("Completed")
            return
        except AssertionError:
            if not left:
                raise


def _fill_in(page: Page, folder: Path) -> None:
    page.click("Resume")
    form = page.wait_for("Release this generation", "Why", "non-inferiority", "challenger less champion", "Submit")
    assert "95 %" in form
    page.picture(folder / "form.png")
    page.value("document.querySelector('[role=switch]').click()")
    until(lambda: page.value("document.querySelector('[role=switch]').getAttribute('aria-checked')") == "true" or None)
    page.click("Submit")


def test_while_it_waits_the_run_says_so_and_has_published_nothing(waiting: Asked) -> None:
    told = waiting.stack.flow_run(waiting.id)
    assert (told["state_type"], told["name"]) == ("RUNNING", f"{waiting.cutoff} PROMOTE? waits for a person")
    assert not (waiting.played.home / "bundles" / "g000002").exists()


def test_the_run_ends_in_a_verdict_that_is_its_name(done: Asked) -> None:
    assert done.stack.flow_run(done.id)["name"] == f"{done.cutoff} PROMOTE generation 2"
    assert (done.played.home / "bundles" / "g000002").exists()


def test_every_stage_says_a_line_at_info_with_its_figures(done: Asked) -> None:
    def all_there() -> dict[str, str] | None:
        lines = [text for level, text in done.stack.lines(done.id) if level == INFO]
        found = {m[1]: text for text in lines if (m := re.match(r"stage=([\w-]+) ", text))}
        return found if set(STAGES) <= set(found) else None

    said = until(all_there, 30)
    assert re.search(r"accepted=\d+ quarantined=0 contracts_broken=0 seconds=[\d.]+$", said["validate"])
    assert re.search(r"parent=1 kind=update rows=\d+ replayed=\d+ grown=\d+ expired=\d+ loss_before=", said["update"])
    assert re.search(r"champion=1 verdict=PROMOTE judged=\d+ value=0\.\d+ difference=-?[\d.e-]+", said["evaluate"])
    assert re.search(r"log_loss_alone=0\.\d+ log_loss_with_memory=0\.\d+", said["memory"])


CONTENT = {
    "window": ("impressions accepted", "Batches with rows of this window", "Quarantine by reason"),
    "contract": ("18 of 18 contracts held", "0.00% of the impressions set aside, 5.00% allowed", "rows that break it"),
    "drift": ("# UPDATE", "champion's training window", "item popularity", "z of that difference", "FOLLOWED"),
    "update": ("A warm start of generation 1", "data:image/svg+xml;base64,", "rows replayed", "## Ids"),
    "memory": ("champion alone", "champion with memory", "base logit", "outcomes learned"),
    "evaluation": ("# PROMOTE", "challenger less champion", "effective sample, users", "challenger, DR", "95 %"),
    "release": ("# Champion: generation 2", "from scratch", "https://reports.example.org/tiny/turns/"),
}


def test_all_artifacts_are_there_and_say_what_they_are_for(done: Asked) -> None:
    found = done.stack.artifacts(done.id)
    assert set(found) >= KEYS
    for key, words in CONTENT.items():
        assert found[key]["description"]
        missing = [word for word in words if word not in found[key]["data"]]
        assert not missing, (key, missing, found[key]["data"])
    assert "https://reports.example.org/tiny/turns/" in found["reports"]["data"]


def test_the_events_are_those_of_the_turn(done: Asked) -> None:
    def both() -> dict[str, Any] | None:
        named = {event["event"]: event for event in done.stack.events() if event["payload"]["cutoff"] == done.cutoff}
        return named if {"evercurrent.turn.promote", "evercurrent.release.promote"} <= set(named) else None

    found = until(both, 60)
    turn, release = found["evercurrent.turn.promote"], found["evercurrent.release.promote"]
    assert turn["resource"] == {"prefect.resource.id": "evercurrent.source.tiny"}
    assert turn["payload"]["reasons"][-1].startswith("approved by a person")
    assert (release["payload"]["previous"], release["payload"]["generation"]) == (1, 2)
    assert f"prefect.flow-run.{done.id}" in {related["prefect.resource.id"] for related in turn["related"]}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_what_the_run_decided_without_opening_a_log(done: Asked, tmp_path: Path) -> None:
    ui, ids = done.stack.ui, {key: artifact["id"] for key, artifact in done.stack.artifacts(done.id).items()}
    with browser(tmp_path) as page:
        page.open(f"{ui}/runs/flow-run/{done.id}")
        page.wait_for(f"{done.cutoff} PROMOTE generation 2", "Completed", "stage=validate")
        page.picture(tmp_path / "run.png")
        page.click("Artifacts")
        page.wait_for("18 of 18 contracts held", "Champion is generation 2")
        page.picture(tmp_path / "artifacts.png")
        for key, words in DRAWN.items():
            page.open(f"{ui}/artifacts/artifact/{ids[key]}")
            page.wait_for(*words)
            page.picture(tmp_path / f"{key}.png")
            assert page.value("document.querySelectorAll('table').length") >= TABLES[key]
        page.open(f"{ui}/artifacts/artifact/{ids['update']}")
        page.wait_for("A warm start of generation 1")
        curve = (
            "[...document.images].filter(i => i.src.startsWith('data:image/svg+xml') && i.naturalWidth > 300).length"
        )
        assert until(lambda: page.value(curve) or None, 20) == 1
        page.open(f"{ui}/artifacts/artifact/{ids['release']}")
        page.wait_for("Champion: generation 2")
        there = page.value("[...document.querySelectorAll('a')].map(a => a.href).join(' ')")
        assert "https://reports.example.org/tiny/turns/" in there
    assert all(path.stat().st_size > 10_000 for path in tmp_path.glob("*.png"))


DRAWN = {
    "window": ("impressions accepted", "Batches with rows of this window"),
    "contract": ("18 of 18 contracts held", "held"),
    "drift": ("UPDATE", "item popularity", "Calibration of the champion", "FOLLOWED"),
    "update": ("rows replayed", "rows held out of training"),
    "memory": ("champion with memory", "base logit"),
    "evaluation": ("PROMOTE", "challenger less champion, paired", "effective sample, users"),
    "release": ("Champion: generation 2", "from scratch"),
}
TABLES = {"window": 2, "contract": 1, "drift": 3, "update": 2, "memory": 3, "evaluation": 2, "release": 1}


@pytest.mark.long
def test_a_run_killed_while_it_waits_is_asked_about_again_by_the_next_and_comes_to_the_same(
    room: Stack, daily: str, copies: Callable[[], Played], done: Asked
) -> None:
    played = copies()
    parameters = {"home": str(played.home), "cutoff": played.cutoff.isoformat(), "approve": True}
    killed = room.run(daily, parameters)
    left = room.question(killed)
    os.kill(_process_of(room, killed), signal.SIGKILL)
    assert room.ended(killed)["state_type"] == "CRASHED"
    again = room.run(daily, parameters)
    question = room.question(again)  # no lock was left behind
    assert room.flow_run(left)["state_type"] == "CANCELLED", "nobody would hear an answer to it"
    first, second = (room.artifacts(run)["evaluation"]["data"] for run in (killed, again))
    assert first == second
    room.post(f"/flow_runs/{question}/resume", {"run_input": {"approve": False, "note": "not on a Friday"}})
    assert room.ended(again)["state_type"] == "COMPLETED"
    assert " HOLD generation 2" in room.flow_run(again)["name"]
    assert not (played.home / "pointers" / "champion.json").read_text().count('"generation":2')


def test_a_window_that_breaks_too_many_contracts_is_shown_and_told(
    room: Stack, daily: str, copies: Callable[[], Played]
) -> None:
    played = copies().set("\n[contracts]\nmax_set_aside = 0.0\n")
    _spoil(played)
    with receiver() as told:
        played.set(f'\n[notify]\nurls = ["{told.url}"]\n')
        quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL"}  # as from a command line that started the worker
        run = room.run(daily, {"home": str(played.home), "cutoff": played.cutoff.isoformat()}, quiet)
        assert room.ended(run)["state_type"] == "COMPLETED", "the window is set aside, the loop goes on"
        until(lambda: told.taken or None, 30)
    cutoff = iso(int(played.cutoff.timestamp()) * 1_000_000)
    assert room.flow_run(run)["name"] == f"{cutoff} HOLD, drift HALT generation 1"
    body = until(lambda: room.artifacts(run).get("contract"), 30)["data"]
    assert "# BROKEN" in body and "BROKEN |" in body and "position below 0" in body
    assert [(n["kind"], n["cutoff"]) for n in told.taken] == [("halt", cutoff)]

    until(lambda: any("stage=ingest" in text for level, text in room.lines(run) if level == INFO) or None, 30)

    def sent() -> dict[str, Any] | None:
        return next((e for e in room.events() if e["event"] == "evercurrent.halt"), None)

    assert until(sent, 60)["payload"]["cutoff"] == cutoff


def _spoil(played: Played) -> None:
    """One impression of the window gets a position that no slate has."""
    from warehouse.connect import connect

    with connect(played.workspace.database) as connection:
        at = int(played.first.timestamp()) * 1_000_000
        connection.execute(
            "update impressions set position = -1 where impression_id = (select min(impression_id) from impressions "
            "where shown_at >= make_timestamp(?))",
            [at],
        )


def _process_of(room: Stack, run: str) -> int:
    """The process of a run: a child of the worker that was told the run's id."""
    for child in psutil.Process(room.worker.pid).children(recursive=True):
        if child.environ().get("PREFECT__FLOW_RUN_ID") == run and not child.children():
            return child.pid
    raise AssertionError(f"no process of run {run}")
