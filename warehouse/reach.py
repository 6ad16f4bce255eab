"""How far back a question about the past has to read: facts are stored by time, so that what is older costs nothing.

Every bound here leaves the answer as it is; but for the draw of a long past, which `components.update.replay_reach`
limits.
"""

from dataclasses import dataclass

import duckdb

from components.domain import DAY, SECOND
from components.update.replay_reach import ReplayReach, replay_reach
from warehouse import query


@dataclass(frozen=True, slots=True)
class Maturing:
    """When an impression's reward is known: the largest outcome of a `kind` within `attribution` seconds, or 0.

    With `attribution` None outcomes are explicit, and without one the reward is unknown.
    """

    kind: str
    attribution: float | None

    @property
    def parameters(self) -> dict[str, query.Parameter]:
        """As the queries name them."""
        return {"kind": self.kind, "attribution": self.attribution}


@dataclass(frozen=True, slots=True)
class Draw:
    """A sample of what matured before `cutoff`: at most `rows`, of which one half as old is twice as likely.

    `half_life_days` is the age at which a row is half as likely to be drawn.
    """

    cutoff: int
    rows: int
    half_life_days: float
    seed: int


def reach(connection: duckdb.DuckDBPyConnection, source: str, start: int, maturing: Maturing) -> int:
    """An instant before which nothing was shown that matters to what matures from `start` on.

    Outcomes that are explicit may come years later, to one position of a slate: then it is when a window began.
    """
    shown = max(start - round((maturing.attribution or 0.0) * SECOND), 0)
    asked: dict[str, query.Parameter] = {"source": source, "start": start, "attribution": maturing.attribution}
    (row,) = query.rows(connection, "04_update/reach", asked=asked_since(connection, source, shown), **asked)
    since = max(int(str(row["since"])), 0)
    return since if maturing.attribution is not None else asked_since(connection, source, since)


def asked_since(connection: duckdb.DuckDBPyConnection, source: str, since: int) -> int:
    """An instant before which no request, slate or outcome was logged that belongs to what was shown since."""
    (row,) = query.rows(connection, "04_update/asked_since", source=source, since=since)
    return int(str(row["since"]))


def replay_ends(connection: duckdb.DuckDBPyConnection, source: str, draw: Draw) -> dict[str, int]:
    """Between which instants a sample of the past is drawn, and of which part of them, as the query names them."""
    past = query.rows(connection, "04_update/days", source=source, cutoff=draw.cutoff)
    days, counts = ([int(str(row[name])) for row in past] for name in ("day", "impressions"))
    bound = replay_reach(days, counts, draw.rows, draw.half_life_days) or ReplayReach(0, 1)
    since = max(bound.since_day * DAY, 0)
    asked = asked_since(connection, source, since)
    return {"since": since, "cutoff": draw.cutoff, "asked": asked, "part": bound.part}
