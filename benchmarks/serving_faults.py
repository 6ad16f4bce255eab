"""What the service does while generations change under load, and what is left when it is killed."""

import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving_load import SERVICE, Latency, Running, call, free_port, load, wait
from components.ingest.decision_log import read_decision_log
from components.publish.pointer import Role, move_pointer, read_pointer

THREADS = 4


@dataclass(frozen=True, slots=True)
class Swaps:
    """Generations changed under load: `p99_ratio` against the same load without a change."""

    swaps: int
    requests: int
    failed: int
    p99_ratio: float


@dataclass(frozen=True, slots=True)
class Kills:
    """``kill -9`` under load: what was acknowledged, and is not in the log, or twice in what ingest makes of it."""

    kills: int
    acknowledged: int
    lost: int
    duplicated: int


@dataclass
class _Acknowledged:
    impressions: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def swapped(running: Running, home: Path, bodies: Path, swaps: int, seconds: int) -> Swaps:
    """Move the pointer to and fro among the home's generations while `wrk` asks."""
    champion = read_pointer(home)
    others = sorted(p.name for p in (home / "bundles").glob("g*") if champion and p.name != Path(champion.bundle).name)
    if champion is None or not others or swaps == 0:
        return Swaps(0, 0, 0, 0.0)
    other = champion.model_copy(update={"generation": int(others[-1][1:]), "bundle": f"bundles/{others[-1]}"})
    calm = load(running, "/rank", bodies, THREADS, seconds)
    asked: list[Latency] = []
    busy = threading.Thread(target=lambda: asked.append(load(running, "/rank", bodies, THREADS, 2 * swaps + seconds)))
    busy.start()
    for swap in range(swaps):
        target = champion if swap % 2 else other
        move_pointer(home, Role.CHAMPION, target)
        wait(lambda g=target.generation: _generation(running) == g, 60)  # type: ignore[misc]
    busy.join()
    move_pointer(home, Role.CHAMPION, champion)
    requests = round(asked[0].rps * (2 * swaps + seconds))
    return Swaps(swaps, requests, asked[0].failed, asked[0].p99_ms / calm.p99_ms)


def _generation(running: Running) -> int:
    told = call(f"{running.url}/generation")
    return -1 if told is None else int(json.loads(told)["generation"])


def killed(home: Path, body: Mapping[str, object], outcome: Mapping[str, object], kills: int) -> Kills:
    """Start, load, kill, again and again; then read the log as ingest does."""
    told = _Acknowledged()
    dice = random.Random(0)
    for _ in range(kills):
        running = Running.start(home, SERVICE, free_port())
        try:
            running.until_ready()
            with _asking(running, body, outcome, told):
                threading.Event().wait(dice.uniform(0.2, 1.0))
                running.kill()
        finally:
            if running.process.poll() is None:
                running.kill()
    tables = read_decision_log(sorted((home / "decisions").glob("*.jsonl")))
    shown, known = tables.impressions["impression_id"], tables.outcomes["impression_id"]
    lost = len(set(told.impressions) - set(shown)) + len(set(told.outcomes) - set(known))
    twice = int(shown.duplicated().sum()) + int(tables.outcomes.duplicated(["impression_id", "kind"]).sum())
    return Kills(kills, len(told.impressions) + len(told.outcomes), lost, twice)


@contextmanager
def _asking(
    running: Running, body: Mapping[str, object], outcome: Mapping[str, object], told: _Acknowledged
) -> Iterator[None]:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answer = call(f"{running.url}/rank", body)
            if answer is None:
                continue
            shown = [s["impression_id"] for s in json.loads(answer)["slate"]]
            told.impressions.extend(shown)
            if call(f"{running.url}/outcome", {"impression_id": shown[0], **outcome}) is not None:
                told.outcomes.append(shown[0])

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
