"""Users of a world whose truth is known, played against a running service as HTTP traffic.

Each visit asks `/rank` for a slate of what the user met in the log, and tells `/outcome` of every item shown. Nothing
else leaves the world, so the service, its decision log and the flows that read it work as they do with real users.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any

from components.domain import ContractBroken, instant_of
from components.ingest.reward_rule import RewardRule
from components.world.visits import Visit, visits
from flows.live.client import Client
from flows.live.simulate_record import Ended, Played, Seen, SimulateRecord, summarise
from flows.replay.recorded import Recorded

Clock = Callable[[], float]
"""Seconds that only grow."""

LOOK_SECONDS = 0.2
"""How often somebody who waits looks whether it is over."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to play.

    `since` is where in the log to begin, microseconds, and `skip` how many visits from there were played before;
    `requests` and `seconds` end it; `rate` is visits per second on average, None as fast as they are answered;
    `patience` the seconds in which a call is made again; `frozen` a second service that is asked the same and told
    nothing.
    """

    url: str
    token: str | None = None
    requests: int | None = None
    seconds: float | None = None
    rate: float | None = None
    concurrency: int = 8
    since: int | None = None
    skip: int = 0
    patience: float = 30.0
    seed: int = 0
    frozen: str | None = None


def simulate(recorded: Recorded, wanted: Wanted, clock: Clock) -> SimulateRecord:
    """Play a recorded or simulated log from `wanted.since` on; Ctrl-C ends it early, with its record.

    Raises
    ------
    Transient, Unwelcome, ContractBroken
        As `flows.live.client.Client`.
    """
    return asyncio.run(_simulate(recorded, wanted, clock))


async def _simulate(recorded: Recorded, wanted: Wanted, clock: Clock) -> SimulateRecord:
    dice = Random(wanted.seed)
    client = Client.of(wanted.url, wanted.token, wanted.concurrency, dice, wanted.patience)
    rule = RewardRule.of(recorded.source)
    beside = Client.of(wanted.frozen or wanted.url, wanted.token, wanted.concurrency, dice, wanted.patience)
    async with client.http, beside.http:
        since = _since(recorded, wanted.since, await client.get("/generation"))
        coming = visits(recorded.log, since, recorded.rules.period, rule)
        crowd = Crowd(client, rule.kind, recorded.rules.slate_size, clock, beside if wanted.frozen else None)
        due = _arrivals(wanted.rate, dice)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, crowd.end, "interrupted")
        try:
            await crowd.play(coming, due, wanted)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
    played = Played(
        wanted.url,
        recorded.source.name,
        rule.unit,
        since,
        wanted.skip,
        max((s.at for s in crowd.seen), default=since),
        crowd.ended or "log",
        clock() - crowd.begin,
        crowd.seen,
        crowd.outcomes,
        crowd.repeated,
        client.retried + beside.retried,
    )
    return summarise(played)


@dataclass
class Crowd:
    """Users who come one after another, so many at a time."""

    client: Client
    kind: str
    slate_size: int
    clock: Clock
    frozen: Client | None = None
    seen: list[Seen] = field(default_factory=list)
    outcomes: int = 0
    repeated: int = 0
    begin: float = 0.0
    ended: Ended | None = None

    def end(self, why: Ended) -> None:
        """Nobody comes any more; who is there is still answered."""
        self.ended = self.ended or why

    async def play(self, coming: Iterator[Visit], due: Iterator[float], wanted: Wanted) -> None:
        """Until the visits end, or what was wanted has been played."""
        self.begin = self.clock()
        line = zip(
            islice(coming, wanted.skip, None if wanted.requests is None else wanted.skip + wanted.requests),
            due,
            strict=False,
        )
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(wanted.concurrency):
                    group.create_task(self._come(line, wanted.seconds))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        self.end("log" if wanted.requests is None or len(self.seen) < wanted.requests else "requests")

    async def _come(self, line: Iterator[tuple[Visit, float]], seconds: float | None) -> None:
        for visit, due in line:
            if not await self._waited(due, seconds):
                return
            await self._visit(visit)

    async def _waited(self, due: float, seconds: float | None) -> bool:
        """Whether the instant `due`, in seconds after the start, came before the end."""
        while self.ended is None:
            now = self.clock() - self.begin
            if seconds is not None and max(now, due) >= seconds and now >= min(due, seconds):
                self.end("seconds")
            elif now >= due:
                return True
            else:
                await asyncio.sleep(min(due - now, LOOK_SECONDS))
        return False

    async def _visit(self, visit: Visit) -> None:
        begin = self.clock()
        body = {"user_id": visit.user_id, "eligible": list(visit.answers), "context": dict(visit.context)}
        size = min(self.slate_size, len(visit.answers))
        told = await self.client.post("/rank", body | {"slate_size": size})
        waited, earned = 1000 * (self.clock() - begin), 0.0
        for shown in _slate(told):
            answer = visit.answers[shown["item_id"]]
            outcome = {"impression_id": shown["impression_id"], "kind": self.kind, "value": answer.value}
            taken = await self.client.post(
                "/outcome", outcome if answer.grade is None else outcome | {"grade": answer.grade}
            )
            self.outcomes += 1
            self.repeated += not taken["accepted"]
            earned += float(taken["reward"])
        values = (earned, visit.random(size), visit.oracle(size))
        choice = len(visit.answers) > size
        still = await self._still(visit, body | {"slate_size": size})
        self.seen.append(Seen(begin - self.begin, int(told["generation"]), *values, choice, waited, visit.at, still))

    async def _still(self, visit: Visit, body: dict[str, object]) -> float | None:
        """What the service that stands still would have earned of this visit; nobody tells it anything."""
        if self.frozen is None:
            return None
        return sum(visit.answers[shown["item_id"]].earned for shown in _slate(await self.frozen.post("/rank", body)))


def _slate(told: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return list(told["slate"])
    except (KeyError, TypeError):
        raise ContractBroken("/rank answered no slate; is this the service of evercurrent serve?") from None


def _since(recorded: Recorded, asked: int | None, generation: dict[str, Any]) -> int:
    """Where to begin: where it was asked, else where the champion's knowledge of this log ends, else after what
    generation 1 is made of."""
    if asked is not None:
        return asked
    try:
        cutoff = instant_of(datetime.fromisoformat(str(generation["cutoff"])))
    except (KeyError, ValueError):
        raise ContractBroken("/generation names no cutoff; is this the service of evercurrent serve?") from None
    return cutoff if recorded.pretrained < cutoff <= int(recorded.log.at[-1]) else recorded.pretrained


def _arrivals(rate: float | None, dice: Random) -> Iterator[float]:
    """Seconds at which visits are due: independent, `rate` a second on average; all at once without one."""
    due = 0.0
    while True:
        yield due
        due += dice.expovariate(rate) if rate else 0.0
