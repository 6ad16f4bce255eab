"""How far back a question about the past has to read: facts are stored by time, so that what is older costs nothing.

Every bound here leaves the answer as it is; but for the draw of a long past, which `components.update.replay_reach`
limits.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from components.domain import DAY, SECOND
from components.update.replay_reach import parts_of
from warehouse import query

SPARE = 1_000
"""Rows beyond twice those wanted that are looked up first: of some nothing is known yet."""


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


def read_draw(connection: duckdb.DuckDBPyConnection, source: str, draw: Draw, maturing: Maturing) -> pa.Table:
    """The rows that a draw takes: of the first in its order those that have matured, of more where that is too few."""
    days, parts = _parts(connection, source, draw)
    since = max(days[0] * DAY, 0) if days else draw.cutoff
    ends = {"since": since, "cutoff": draw.cutoff}
    how: dict[str, query.Parameter] = {
        "half_life_days": draw.half_life_days,
        "seed": draw.seed,
        "least": min(parts, default=1),
    }
    table = {"parts": pa.table({"day": pa.array(days, pa.int64()), "part": pa.array(parts, pa.int64())})}
    asked = asked_since(connection, source, since)
    candidates = 2 * draw.rows + SPARE
    while True:
        query.execute(
            connection, "04_update/replay_candidates", table, source=source, candidates=candidates, **how, **ends
        )
        (found,) = query.rows(connection, "04_update/count_candidates")
        _find_requests(connection, {"source": source, "asked": asked, "seed": draw.seed}, how["least"])
        taken = query.table(
            connection, "04_update/replayed", source=source, asked=asked, rows=draw.rows, **ends, **maturing.parameters
        )
        if len(taken) == draw.rows or int(str(found["candidates"])) < candidates:
            return taken
        candidates *= 8


def _find_requests(
    connection: duckdb.DuckDBPyConnection, asked: dict[str, query.Parameter], least: query.Parameter
) -> None:
    """Find what candidates were asked for by: in the seconds that a draw looks at; everywhere, if some is not there."""
    query.execute(connection, "04_update/replay_requests", least=least, **asked)
    if least != 1 and int(str(query.rows(connection, "04_update/count_requests_lacking")[0]["lacking"])):
        query.execute(connection, "04_update/replay_requests", least=1, **asked)


def _parts(connection: duckdb.DuckDBPyConnection, source: str, draw: Draw) -> tuple[list[int], list[int]]:
    """Days of the past that are looked at, and one in how many rows of each."""
    past = query.rows(connection, "04_update/days", source=source, cutoff=draw.cutoff)
    days, counts = ([int(str(row[name])) for row in past] for name in ("day", "impressions"))
    parts = parts_of(days, counts, draw.rows, draw.half_life_days).tolist()
    first = next((at for at, part in enumerate(parts) if part), 0)
    return days[first:], parts[first:]
