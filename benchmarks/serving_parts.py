"""Where the time of one request goes, what a start costs, and what a process keeps per decision: in this process."""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np

from components.domain import SECOND
from components.ingest.log_lines import OutcomeLine, RequestLine, ShownLine, impression_id_of, written
from components.ingest.log_tail import day_of
from components.ingest.reward_rule import RewardRule
from components.serving.live_memory import LiveMemory, Steps, in_files
from components.serving.served import RankRequests, Served

START = 1_790_000_000 * SECOND


def compute_ms(served: Served, users: Sequence[str], items: Sequence[str], slate: int, calls: int) -> dict[str, float]:
    """Median milliseconds of each part of ranking `items` for one user after another."""
    spent: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)

    def timed(part: str, make: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        made = make()
        spent.setdefault(part, []).append(1000 * (time.perf_counter() - begin))
        return made

    for n in range(calls + 5):
        if n == 5:
            spent.clear()  # the first calls compile and fill caches
        user, at = users[n % len(users)], np.array([served.cutoff + n * SECOND])
        asked = served.informed(RankRequests.of([user], at, [items]))
        examples = timed("encode", lambda asked=asked: asked.encode(served.encoder))
        known = timed("predict", lambda e=examples: served.model.predict(e))
        appraisal = timed("compensate", lambda e=examples, k=known: served.appraise(e, k))
        drawn = timed("draw", lambda a=appraisal, o=asked.offsets: served.policy.sample(a.preference, o, slate, rng))
        timed("log line", lambda n=n, d=drawn, u=user: written(decision_line(n, u, items, d.shown.entry.tolist())))
    found = {part: round(median(each), 3) for part, each in spent.items()}
    return found | {"all": round(sum(found.values()), 3)}


def start_cost(decisions: int) -> tuple[float, float]:
    """Processor seconds until a process has read so many decisions, and bytes that it keeps of each.

    Decisions of ten positions among a hundred eligible items, three in ten with an outcome that the memory knows.
    """
    items = [f"item{n}" for n in range(100)]
    with TemporaryDirectory(prefix="evercurrent-") as folder:
        home = Path(folder)
        (home / "decisions").mkdir()
        with (home / "decisions" / f"{day_of(START)}-1-1.jsonl").open("wb") as file:
            for n in range(decisions):
                file.write(written(decision_line(n, f"user{n % 20_000}", items, list(range(n % 90, n % 90 + 10)))))
                if n % 10 < 3:
                    known = OutcomeLine(impression_id_of(f"{n:032x}", 0), "rating", 1, 1.0, START + n)
                    file.write(written(known))
        served: Any = SimpleNamespace(outcome=RewardRule(kind="rating"), cutoff=START)
        live = LiveMemory(served, START + decisions + SECOND, in_files(home), Steps.of(0.25, 0.1, 7))
        gc.collect()
        before, begin = _resident(), time.process_time()
        live.read()
        spent = time.process_time() - begin
        gc.collect()
        return spent, (_resident() - before) / max(decisions, 1)


def decision_line(n: int, user: str, items: Sequence[str], chosen: Sequence[int]) -> RequestLine:
    """The n-th of a made-up log: a slate of the chosen items, all of them eligible."""
    request = f"{n:032x}"
    slate = (ShownLine(impression_id_of(request, p), items[i], p, 0.1, 0.5, 0.4) for p, i in enumerate(chosen))
    return RequestLine(request, user, START + n, 1, {}, tuple(items), tuple(slate), START, 0)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
