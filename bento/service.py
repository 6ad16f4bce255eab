"""The service: ``POST /rank``, ``/outcome``, ``/outcomes``, ``GET /generation``; BentoML adds health and metrics.

``bentoml serve bento.service:Evercurrent`` answers on 127.0.0.1:3000 from the champion of
``EVERCURRENT_HOME``. It reads bundles and pointers, appends to the decision log, and knows
nothing else of the loop.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, TypeVar

import bentoml
import numpy as np
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response

from bento import bentoml_fixes, metrics
from bento.access import Guard, Tokens
from bento.canary import LiveCanaries
from bento.catalogue_api import catalogue_routes
from bento.champion import Champion
from bento.decision_log import DecisionLog
from bento.group_commit import GroupCommit
from bento.micro_batches import MicroBatches
from bento.pages import pages
from bento.schemas import (
    Body,
    Fault,
    OutcomeRequest,
    OutcomeResponse,
    OutcomesRequest,
    OutcomesResponse,
    OutcomeStatus,
    RankBatchRequest,
    RankBatchResponse,
    RankRequest,
    RankResponse,
    answer,
    refuse,
)
from bento.scoring import Asked, Scoring
from bento.settings import ServiceSettings
from components.domain import ContractBroken, Transient
from components.ingest.log_lines import ChangeLine, OutcomeLine
from components.serving.live_memory import LiveMemory

bentoml_fixes.install()
logger = logging.getLogger("bentoml.evercurrent")  # below BentoML's own, which is set up to print

Asks = TypeVar("Asks", bound=Body)

PROBE_SECONDS = 1.0
"""How often a worker looks whether its supervisor lives, and after a fault whether the disk takes lines again."""

BATCH = 4_000
"""Items scored in one go, over all requests that wait: about 8 ms."""

SWITCH_SECONDS = 5e-4
"""How long a thread that loads a generation, or scores many items, may keep answers waiting (Python's own: 5 ms)."""

PACKED = Path(__file__).parent.parent / "bundle_tag.txt"
"""In a built Bento: tag of the model that holds the generation it was built from."""


def now() -> int:
    """The service's clock, microseconds UTC."""
    return time.time_ns() // 1000


def _current() -> "Evercurrent":
    service: Evercurrent = bentoml.get_current_service()
    return service


@bentoml.asgi_app(Starlette(routes=pages(_current) + catalogue_routes(_current, now)), path="/")
@bentoml.service(
    name="evercurrent",
    workers=ServiceSettings.from_environment(os.environ).workers,
    http={"host": "127.0.0.1", "port": 3000},
    traffic={"timeout": 10, "max_concurrency": 256},
    logging={"access": {"enabled": False}},  # a line per request costs 0.3 ms and says less than the decision log
    metrics={"enabled": True},
    envs=[{"name": name, "value": value} for name, value in bentoml_fixes.ENVIRONMENT.items()],
)
class Evercurrent:
    """Answers with slates of the champion, and lets its memory learn what came of them."""

    def __init__(self) -> None:
        self.settings = ServiceSettings.from_environment(os.environ)
        self.log = DecisionLog(self.settings.home, os.getpid(), self.settings.segment_bytes)
        self.commit = GroupCommit(self.log.sync)
        self.scoring = Scoring(self.log, now, self.settings)
        self._batches = MicroBatches(self._rank_together, lambda asked: asked.entries, BATCH)
        self._draws, self._draws_beside = np.random.default_rng().spawn(2)
        self._memory = asyncio.Lock()  # held while a thread reads the memory, or while it learns
        self._parent = os.getppid()
        self.champion = Champion(self.settings, now, _packed_bundle())
        self.canaries = LiveCanaries(self.settings, now)
        self._tasks: list[asyncio.Task[None]] = []
        sys.setswitchinterval(SWITCH_SECONDS)
        first = self.champion.prepare()
        if first is not None:
            self.champion.swap(first)
            self.canaries.swap(self.canaries.prepare())
        # What is alive now stays alive: collections need not look at it again (pauses of 100 ms otherwise).
        gc.collect()
        gc.freeze()

    @bentoml.on_startup
    async def start(self) -> None:
        """Follow pointer and log, per worker."""
        every = self.settings
        self._tasks = [
            asyncio.create_task(_repeat(every.pointer_seconds, self._follow_pointer)),
            asyncio.create_task(_repeat(every.tick_seconds / 2, self._learn)),
            asyncio.create_task(_repeat(PROBE_SECONDS, self._probe)),
        ]

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Leave a complete log."""
        for task in self._tasks:
            task.cancel()
        self.log.close()

    def __is_ready__(self) -> bool:
        return self.champion.live is not None and self.log.fault is None

    @bentoml.api(output_spec=RankResponse)
    async def rank(self, asked: RankRequest, /) -> Response:
        """A slate of `slate_size` items of the eligible set, with propensities."""
        return await self._answered(asked, self._rank)

    @bentoml.api(output_spec=RankBatchResponse)
    async def rank_batch(self, asked: RankBatchRequest, /) -> Response:
        """Slates for several requests: scored together, logged and answered each for itself."""
        return await self._answered(asked, self._rank_several)

    @bentoml.api(output_spec=OutcomeResponse)
    async def outcome(self, told: OutcomeRequest, /) -> Response:
        """What the user did about an impression; repeating it changes nothing."""
        return await self._answered(told, self._write_outcome)

    @bentoml.api(output_spec=OutcomesResponse)
    async def outcomes(self, told: OutcomesRequest, /) -> Response:
        """What users did about several impressions: one status each, all on the disk before the answer."""
        return await self._answered(told, self._write_outcomes)

    async def _answered(self, asked: Asks, make: Callable[[LiveMemory, Asks], Awaitable[BaseModel]]) -> Response:
        """What `make` makes of a body, or why it could not, in one line."""
        live = self.champion.live
        if asked.fault is not None:
            return refuse(400, asked.fault)
        if live is None:
            return refuse(503, str(self.champion.fault))
        try:
            return answer(await make(live, asked))
        except NeverShown as error:
            return refuse(404, str(error))
        except ContractBroken as error:
            return refuse(400, str(error))
        except Transient as error:
            return refuse(503, str(error))

    async def change(self, line: ChangeLine) -> None:
        """Take a change of the catalogue in: in force here, and on the disk, when this returns."""
        async with self._memory:
            self.log.append(line, line.at)
            out = self.canaries.out
            for live in (self.champion.live, None if out is None else out.live):
                if live is not None:
                    live.read()
                    live.change()
        await self.commit.durable()

    async def _rank(self, live: LiveMemory, asked: RankRequest) -> RankResponse:
        with metrics.timed("ask"):
            ready = self.scoring.ask(self.canaries.choose(live, asked.user_id), asked)
        beside = ready.entries > self.settings.beside
        made = await (self._rank_beside(ready) if beside else self._batches.ask(ready))
        if isinstance(made, Transient):
            raise made
        with metrics.timed("durable"):
            await self.commit.durable()
        metrics.note_answer(made)
        return made

    async def _rank_several(self, live: LiveMemory, asked: RankBatchRequest) -> RankBatchResponse:
        each = [asyncio.ensure_future(self._rank(live, one)) for one in asked.requests]
        made = await asyncio.gather(*each, return_exceptions=True)
        for one in made:
            if isinstance(one, BaseException) and not isinstance(one, ContractBroken):
                raise one
        faults = [Fault(error=" ".join(str(one).split())) if isinstance(one, BaseException) else one for one in made]
        return RankBatchResponse(answers=faults)

    async def _rank_beside(self, asked: Asked) -> RankResponse:
        """Score many items in a thread, while the loop answers others; the memory stands still meanwhile."""
        async with self._memory:
            (decided,) = await asyncio.to_thread(self.scoring.decide, [asked], self._draws_beside)
            return self.scoring.write(decided)

    def _rank_together(self, asked: Sequence[Asked]) -> list[RankResponse | Transient]:
        """Slates of all, written down; for those that the disk did not take, why."""
        made: list[RankResponse | Transient] = []
        metrics.BATCH.observe(len(asked))
        with metrics.timed("decide"):
            every = self.scoring.decide(asked, self._draws)
        with metrics.timed("write"):
            for decided in every:
                try:
                    made.append(self.scoring.write(decided))
                except Transient as error:
                    made.append(error)
        return made

    async def _write_outcome(self, live: LiveMemory, told: OutcomeRequest) -> OutcomeResponse:
        taken = self._take(live, told)
        await self.commit.durable()  # also where it is repeated: the first telling may still be on its way to the disk
        return taken

    async def _write_outcomes(self, live: LiveMemory, told: OutcomesRequest) -> OutcomesResponse:
        found = []
        for one in told.outcomes:
            try:
                taken = self._take(live, one)
            except NeverShown as error:
                found.append(OutcomeStatus(impression_id=one.impression_id, status="unknown", error=str(error)))
            except ContractBroken as error:
                found.append(OutcomeStatus(impression_id=one.impression_id, status="refused", error=str(error)))
            else:
                status: Literal["accepted", "repeated"] = "accepted" if taken.accepted else "repeated"
                found.append(OutcomeStatus(impression_id=one.impression_id, status=status, reward=taken.reward))
        await self.commit.durable()
        return OutcomesResponse(outcomes=found)

    def _take(self, live: LiveMemory, told: OutcomeRequest) -> OutcomeResponse:
        status = "refused"
        try:
            taken = self._taken(live, told)
            status = "accepted" if taken.accepted else "repeated"
        except NeverShown:
            status = "unknown"
            raise
        finally:
            metrics.OUTCOMES.labels(status).inc()
        return taken

    def _taken(self, live: LiveMemory, told: OutcomeRequest) -> OutcomeResponse:
        if live.find(told.impression_id) is None:
            raise NeverShown(
                f"impression_id {told.impression_id!r} is unknown; allowed are those answered by /rank within "
                f"{self.settings.retention_days:g} days"
            )
        learned = live.served.outcome
        rule = learned if told.kind == learned.kind else learned.beside(told.kind)
        reward, grade = rule.reward(told.kind, told.value), rule.grade(told.value, told.grade)
        with self.log.alone() if self.settings.workers > 1 else nullcontext():
            return self._first(live, told, (reward, grade))

    def _first(self, live: LiveMemory, told: OutcomeRequest, earned: tuple[float, float | None]) -> OutcomeResponse:
        """Write an outcome unless it is known: told to several workers at once, the first to come here wins."""
        learned, (reward, grade) = live.served.outcome, earned
        rule = learned if told.kind == learned.kind else learned.beside(told.kind)
        known = live.outcome_of(told.impression_id, told.kind)
        if known is not None:
            return OutcomeResponse(accepted=False, reward=rule.earned_by(known.reward, known.grade))
        at = now()
        line = OutcomeLine(told.impression_id, told.kind, told.value, reward, at, grade)
        self.log.append(line, at)
        return OutcomeResponse(accepted=True, reward=rule.earned_by(reward, grade))

    async def _follow_pointer(self) -> None:
        live = await asyncio.to_thread(self.champion.prepare)
        if live is not None:
            self.champion.swap(live)
        if self.champion.live is not None:
            metrics.GENERATION.set(self.champion.live.served.generation)
        self.canaries.swap(await asyncio.to_thread(self.canaries.prepare))
        metrics.note_canary(self.canaries.out)

    async def _learn(self) -> None:
        out = self.canaries.out
        for live in (self.champion.live, None if out is None else out.live):
            if live is not None:
                async with self._memory:
                    at = now()
                    metrics.note_memory(live, live.advance(at), at)

    async def _probe(self) -> None:
        """Is the disk back, and is there still somebody who started this process?"""
        await asyncio.to_thread(self.log.probe)
        if os.getppid() != self._parent:
            logger.error("stage=serve event=orphaned parent=%d", self._parent)
            os.kill(os.getpid(), signal.SIGTERM)


class NeverShown(ContractBroken):
    """An outcome of an impression that nobody was shown."""


async def _repeat(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Exception as error:
            logger.exception("stage=serve event=step_failed step=%s error=%r", step.__name__, error)


def _packed_bundle() -> Path | None:
    if not PACKED.exists():
        return None
    return Path(bentoml.models.get(PACKED.read_text().strip()).path) / "bundle"


def _guard() -> None:
    """Access and size are decided before anything is parsed."""
    settings = ServiceSettings.from_environment(os.environ)
    tokens = None if settings.tokens is None else Tokens.read(settings.tokens)
    service: Any = Evercurrent
    service.add_asgi_middleware(Guard, tokens=tokens, body_bytes=settings.body_bytes)


_guard()
