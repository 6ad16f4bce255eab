"""What Prometheus is told at /metrics, beside what BentoML tells of every endpoint. Read by whoever wakes people up."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from prometheus_client import Counter, Gauge, Histogram

from bento.canary import LiveCanary
from bento.schemas import RankResponse
from components.domain import SECOND
from components.memory.memory import ErrorMemory
from components.ranker.forward import Forward
from components.serving.live_memory import LiveMemory
from components.serving.served import Decisions, Served

DECISIONS = Counter("evercurrent_decisions", "slates answered", ["generation"])
LEARNED = Counter("evercurrent_outcomes_learned", "outcomes written into the memory by this process", ["generation"])
OUTCOMES = Counter("evercurrent_outcomes_told", "outcomes told, by what became of them", ["status"])
SHOWN = Counter("evercurrent_shown", "positions filled")
EXPLORED = Counter("evercurrent_shown_explored", "positions filled with an item that the best slate would not have had")
UNKNOWN_USERS = Counter("evercurrent_shown_unknown_user", "positions shown to a user the model has no row for")
UNKNOWN_ITEMS = Counter("evercurrent_shown_unknown_item", "positions filled with an item the model has no row for")
STAGE = Histogram(
    "evercurrent_stage_seconds",
    "seconds of a request's stages: ask, decide (of a batch), write, durable (waiting for the disk)",
    ["stage"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
BATCH = Histogram("evercurrent_batch_requests", "requests scored together", buckets=(1, 2, 4, 8, 16, 32, 64))
GENERATION = Gauge("evercurrent_generation", "generation that answers", multiprocess_mode="mostrecent")
BEHIND = Gauge(
    "evercurrent_memory_behind_seconds", "age of the oldest outcome not learned yet", multiprocess_mode="mostrecent"
)
KNOWN = Gauge("evercurrent_memory_outcomes", "outcomes the memory knows", multiprocess_mode="mostrecent")
CANARY_SHARE = Gauge("evercurrent_canary_share", "share of users that a canary answers", multiprocess_mode="mostrecent")
DEGRADED = Gauge(
    "evercurrent_log_degraded",
    "processes whose decisions wait in files for the log's broker",
    multiprocess_mode="livesum",
)
TRUST = Gauge("evercurrent_trust_weight", "weight of each signal", ["signal"], multiprocess_mode="mostrecent")


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Count the seconds of a stage."""
    begin = perf_counter()
    yield
    STAGE.labels(stage).observe(perf_counter() - begin)


def note_decisions(served: Served, made: Decisions) -> None:
    """Count what was shown: how much of it explored, how much of it strange to the model."""
    shown, preference = made.slates.shown, made.scored.appraisal.preference
    SHOWN.inc(len(shown.entry))
    offsets, explored = made.scored.offsets, 0
    for request in range(len(offsets) - 1):
        own, slate = preference[offsets[request] : offsets[request + 1]], np.diff(shown.offsets)[request]
        least = np.partition(own, len(own) - slate)[len(own) - slate]
        explored += int((preference[shown.entry[shown.offsets[request] : shown.offsets[request + 1]]] < least).sum())
    EXPLORED.inc(explored)
    if isinstance(served.model, Forward):
        strange = served.model.unknown(made.scored.examples.take(shown.entry)).sum(0)
        UNKNOWN_USERS.inc(int(strange[0]))
        UNKNOWN_ITEMS.inc(int(strange[1]))


def note_answer(made: RankResponse) -> None:
    """Count a slate that is on the disk."""
    DECISIONS.labels(made.generation).inc()


def note_canary(out: LiveCanary | None) -> None:
    """Tell what share of the users a canary answers."""
    CANARY_SHARE.set(0.0 if out is None else out.pointer.share)


def note_memory(live: LiveMemory, learned: int, now: int) -> None:
    """Tell what the memory knows, after it learned."""
    LEARNED.labels(live.served.generation).inc(learned)
    BEHIND.set(live.behind(now) / SECOND)
    if learned and isinstance(live.served.memory, ErrorMemory):
        report = live.served.memory.trust_report()
        KNOWN.set(report.outcomes)
        for one in report.weights:
            TRUST.labels(one.signal).set(one.weight)
