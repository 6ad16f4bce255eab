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
from pathlib import Path
from typing import Any, TypeVar

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
from bento.group_commit import GroupCommit
from bento.log import open_log
from bento.micro_batches import MicroBatches
from bento.outcomes import NeverShown, Outcomes, Told
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
from bento.scoring import Asked, Logged, Scoring
from bento.settings import ServiceSettings
from components.domain import ContractBroken, Transient
from components.ingest.log_lines import ChangeLine
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
        self.log = open_log(self.settings, os.getpid())
        self.commit = GroupCommit(self.log.sync)
        self.scoring = Scoring(self.log, now, self.settings)
        self._outcomes = Outcomes(self.log, now, self.settings.retention_days)
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
        for live in self._lives():
            live.close()
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
        """Take a change of the catalogue in: in the log, and in force here, when this returns."""
        receipt = self.log.append(line, line.at)
        await self.commit.durable()
        receipt.settled()
        for live in self._lives():
            await asyncio.to_thread(live.reach)
        async with self._memory:
            for live in self._lives():
                live.read()
                live.change()

    def _lives(self) -> list[LiveMemory]:
        """The memories of who answers: of the champion, and of a canary that is out."""
        out = self.canaries.out
        return [live for live in (self.champion.live, None if out is None else out.live) if live is not None]

    async def _rank(self, live: LiveMemory, asked: RankRequest) -> RankResponse:
        with metrics.timed("ask"):
            ready = self.scoring.ask(self.canaries.choose(live, asked.user_id), asked)
        beside = ready.entries > self.settings.beside
        made = await (self._rank_beside(ready) if beside else self._batches.ask(ready))
        if isinstance(made, Transient):
            raise made
        with metrics.timed("durable"):
            await self.commit.durable()
        made.receipt.settled()
        metrics.note_answer(made.answer)
        return made.answer

    async def _rank_several(self, live: LiveMemory, asked: RankBatchRequest) -> RankBatchResponse:
        each = [asyncio.ensure_future(self._rank(live, one)) for one in asked.requests]
        made = await asyncio.gather(*each, return_exceptions=True)
        for one in made:
            if isinstance(one, BaseException) and not isinstance(one, ContractBroken):
                raise one
        faults = [Fault(error=" ".join(str(one).split())) if isinstance(one, BaseException) else one for one in made]
        return RankBatchResponse(answers=faults)

    async def _rank_beside(self, asked: Asked) -> Logged:
        """Score many items in a thread, while the loop answers others; the memory stands still meanwhile."""
        async with self._memory:
            (decided,) = await asyncio.to_thread(self.scoring.decide, [asked], self._draws_beside)
            return self.scoring.write(decided)

    def _rank_together(self, asked: Sequence[Asked]) -> list[Logged | Transient]:
        """Slates of all, written down; for those that the log did not take, why."""
        made: list[Logged | Transient] = []
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
        taken = self._outcomes.take(await self._knowing(live, [told]), told)
        await self.commit.durable()  # also where it is repeated: the first telling may still be on its way to the disk
        return taken.answer()

    async def _write_outcomes(self, live: LiveMemory, told: OutcomesRequest) -> OutcomesResponse:
        live = await self._knowing(live, told.outcomes)
        taken = [self._taken(live, one) for one in told.outcomes]
        await self.commit.durable()
        return OutcomesResponse(outcomes=[one if isinstance(one, OutcomeStatus) else _status(*one) for one in taken])

    def _taken(self, live: LiveMemory, one: OutcomeRequest) -> tuple[str, Told] | OutcomeStatus:
        try:
            return one.impression_id, self._outcomes.take(live, one)
        except NeverShown as error:
            return OutcomeStatus(impression_id=one.impression_id, status="unknown", error=str(error))
        except ContractBroken as error:
            return OutcomeStatus(impression_id=one.impression_id, status="refused", error=str(error))

    async def _knowing(self, live: LiveMemory, told: Sequence[OutcomeRequest]) -> LiveMemory:
        """Who knows the impressions, if anybody does: what another replica has just shown may still be on its way."""
        if all(live.find(one.impression_id) is not None for one in told):
            return live
        if self.log.degraded is not None:
            raise Transient(self.log.degraded)
        await asyncio.to_thread(live.reach)
        return self.champion.live or live

    async def _follow_pointer(self) -> None:
        live = await asyncio.to_thread(self.champion.prepare)
        if live is not None:
            self.champion.swap(live)
        if self.champion.live is not None:
            metrics.GENERATION.set(self.champion.live.served.generation)
        self.canaries.swap(await asyncio.to_thread(self.canaries.prepare))
        metrics.note_canary(self.canaries.out)

    async def _learn(self) -> None:
        for live in self._lives():
            async with self._memory:
                at = now()
                metrics.note_memory(live, live.advance(at), at)

    async def _probe(self) -> None:
        """Does the log take lines, and is there still somebody who started this process?"""
        await asyncio.to_thread(self.log.probe)
        metrics.DEGRADED.set(self.log.degraded is not None)
        if os.getppid() != self._parent:
            logger.error("stage=serve event=orphaned parent=%d", self._parent)
            os.kill(os.getpid(), signal.SIGTERM)


def _status(impression_id: str, taken: Told) -> OutcomeStatus:
    made = taken.answer()
    return OutcomeStatus(
        impression_id=impression_id, status="accepted" if made.accepted else "repeated", reward=made.reward
    )


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
