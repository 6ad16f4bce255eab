"""May DuckDB read a log by itself? If of every column it can be said exactly what is read; and then which of its rows?

Those that are sound, as `components.ingest.set_aside` would have it. The others are in doubt, and looked at again
(`warehouse.doubted_rows`). Asked is a DuckDB of its own beside the log, so that a log that is refused leaves nothing in
the warehouse.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from components.domain import Ints
from components.feature_spec import FieldKind, FieldOf
from components.ingest.interactions import attributes, described
from components.ingest.log_files import Folders
from components.ingest.plain_log import PlainLog, nan_rows, plain_log
from components.ingest.read_log import frame_of
from components.ingest.reward_rule import RewardRule
from components.ingest.source import Source
from warehouse import query
from warehouse.compiled_log import CompiledLog, Variable, compiled, sql_type
from warehouse.doubted_rows import MOST_IN_DOUBT, DoubtedRows, doubted_rows
from warehouse.log_cells import Unsaid, id_cell, identifier, is_list, is_text, type_of

MEMORY = "1GB"
"""What DuckDB may hold while it reads a log; with pandas and the file's own buffers that is below 2 GiB. Measured."""
MOST_VALUES = 10_000
"""So many distinct values of an outcome are judged one by one."""
MOST_POSITIVE = 100
"""So many of them may be reward 1: every row is compared with each."""

UNTRUSTED = "statistics_propagation,filter_pushdown"
"""A file's own statistics are no witness of what is in it: every cell is looked at."""

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class SoundLog:
    """A log that DuckDB may read: what is read of it, and which rows are not for it.

    `requests_once` and `impressions_once` say whether each is named once. `entities` are the users and items that the
    log itself describes.
    """

    log: PlainLog
    compiled: CompiledLog
    doubted: DoubtedRows
    requests_once: bool
    impressions_once: bool
    entities: dict[str, pd.DataFrame]

    @property
    def rows(self) -> int:
        """How many of its rows are sound."""
        return self.log.rows - self.doubted.set_aside


@dataclass(frozen=True, slots=True)
class Beside:
    """A DuckDB of its own, and the folder where it puts what does not fit into memory."""

    connection: Connection
    room: Path


@contextmanager
def beside() -> Iterator[Beside]:
    """A DuckDB to ask about logs, gone with its folder when the block ends."""
    with TemporaryDirectory(prefix="evercurrent-") as room:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "temp_directory": room,
            "disabled_optimizers": UNTRUSTED,
        }
        with duckdb.connect(":memory:", config=config) as connection:
            connection.execute("set enable_progress_bar = false")
            connection.execute("set timezone = 'UTC'")
            yield Beside(connection, Path(room))


def sound_log(connection: Connection, path: Path, folders: Folders, source: Source, room: Path) -> SoundLog:
    """The log at `path`, if DuckDB may read it; a CSV file is written anew in the folder `room`.

    Raises
    ------
    Unsaid
        If it may not; the text says why.
    ContractBroken
        If more than a twentieth of it cannot be used.
    """
    log = plain_log(path, folders, room)
    if log is None:
        raise Unsaid("the file is not plain")
    said = compiled(log, source)
    try:
        return _judged(connection, log, said, source, str(path))
    except duckdb.Error as error:
        raise Unsaid(f"DuckDB: {str(error).splitlines()[0]}") from None


def _judged(connection: Connection, log: PlainLog, said: CompiledLog, source: Source, origin: str) -> SoundLog:
    tell(connection, said.variables)
    query.fill(connection, "01_ingest/log_rows", {"folders": said.folders})
    _hold(connection, log)
    said.variables.update(_positive(connection, log, said))
    tell(connection, said.variables)
    named = source.columns
    requests_once = named.request_id is not None and _distinct(connection, identifier(named.request_id)) == log.rows
    numbers = _in_doubt(connection, log, said, source, requests_once)
    doubted = doubted_rows(log, numbers, source, origin)
    lay_out_cells(connection, said, doubted)
    own = "impression_id" if named.impression_id else 'user_id, item_id, "at"'
    impressions_once = _distinct(connection, own, "log_cells") == log.rows - doubted.set_aside
    once = requests_once if named.request_id else impressions_once
    return SoundLog(log, said, doubted, once, impressions_once, _entities(connection, log, source))


def tell(connection: Connection, variables: dict[str, Variable]) -> None:
    """Give a connection the variables that the expressions of a log ask for."""
    for name, value in variables.items():
        connection.execute(f"set variable {name} = $value", {"value": value})


def lay_out_cells(connection: Connection, said: CompiledLog, doubted: DoubtedRows) -> None:
    """Let a connection read the cells of the log's rows under the name of ``log_cells``; its variables are told."""
    for name, table in doubted.tables.items():
        connection.register(name, table)
    query.fill(connection, "01_ingest/log_rows", {"folders": said.folders})
    query.fill(connection, "01_ingest/log_cells", said.slots)


def _hold(connection: Connection, log: PlainLog) -> None:
    """What the log's folders say of it is so in every row."""
    for name, value in log.folders.said.items():
        tell(connection, {"folder": "" if value is None else str(value)})
        said = "getvariable('folder')" if value is not None else "null"
        so = f"{identifier(name)}::varchar is not distinct from {said}"
        if len(_numbers(connection, "01_ingest/log_unsound", sound=so)):
            raise Unsaid(f"column {name} says something else than the folder")


def _in_doubt(connection: Connection, log: PlainLog, said: CompiledLog, source: Source, requests_once: bool) -> Ints:
    """Numbers of the rows that are not, or may not be, what the conditions say; each is a scan of its columns."""
    found = [nan_rows(log, described(source))]
    for sound in {cell.sound for cell in (*said.cells.values(), *said.outcomes.values())} - {"true"}:
        found.append(_numbers(connection, "01_ingest/log_unsound", sound=sound))
    request, user = source.columns.request_id, identifier(source.columns.user_id)
    if request and not requests_once:
        found.append(_numbers(connection, "01_ingest/log_of_two_users", request=identifier(request), user=user))
    numbers = np.unique(np.concatenate(found))
    if len(numbers) > MOST_IN_DOUBT:
        raise Unsaid(f"more than {MOST_IN_DOUBT} rows are in doubt")
    return numbers


def _numbers(connection: Connection, name: str, **slots: str) -> Ints:
    found = query.fill(connection, name, slots, most=MOST_IN_DOUBT + 1).fetchnumpy()
    return np.asarray(found["n"], np.int64)


def _positive(connection: Connection, log: PlainLog, said: CompiledLog) -> dict[str, Variable]:
    """The values that the rule says are reward 1, asked of the rule itself."""
    found: dict[str, Variable] = {}
    for number, outcome in said.judged.items():
        value = f"{identifier(outcome.column)}::{sql_type(log.types, outcome.column)}"
        rows = query.fill(connection, "01_ingest/log_values", {"value": value}, most=MOST_VALUES + 1).fetchall()
        rewards = RewardRule.by(outcome).rewards(row[0] for row in rows)
        positive = [row[0] for row, reward in zip(rows, rewards, strict=True) if reward == 1]
        if len(rows) > MOST_VALUES or len(positive) > MOST_POSITIVE:
            raise Unsaid(f"column {outcome.column} holds {len(rows)} values for an outcome")
        found[f"positive_{number}"] = positive
    return found


def _distinct(connection: Connection, ids: str, rows: str = "log_rows") -> int:
    ((number,),) = query.fill(connection, "01_ingest/log_distinct", {"id": ids, "rows": rows}).fetchall()
    return int(number)


def _entities(connection: Connection, log: PlainLog, source: Source) -> dict[str, pd.DataFrame]:
    of_log = {
        "users": (FieldOf.USER, source.users, source.columns.user_id),
        "items": (FieldOf.ITEM, source.items, source.columns.item_id),
    }
    return {
        name: _described(connection, log, source, of, column)
        for name, (of, beside, column) in of_log.items()
        if beside is None
    }


def _described(connection: Connection, log: PlainLog, source: Source, of: FieldOf, column: str) -> pd.DataFrame:
    """One row per user or item, from the last row of the log that names it, as the careful way reads it."""
    fields = [f for f in source.fields if f.of is of and f.name != of.value and (f.column or f.name) in log.types]
    names = list(dict.fromkeys([column, *(f.column or f.name for f in fields)]))
    if not fields:
        return attributes(pd.DataFrame(columns=[column]), source, of, column)
    for f in fields:
        _plain_value(type_of(log.types, f.column or f.name), f.name, f.kind)
    id_cell(log.types, column)
    slots = {"columns": ", ".join(map(identifier, names)), "id": identifier(column)}
    table = connection.sql(query.text("01_ingest/log_entities").format(**slots)).to_arrow_table()
    return attributes(frame_of(table, log.path), source, of, column)


def _plain_value(of: pa.DataType, name: str, kind: FieldKind) -> None:
    """Refuse types of which pandas' frame would not be that of the whole log."""
    whole, lists = pa.types.is_integer(of), is_list(of)
    if not (is_text(of) or whole or pa.types.is_float64(of) or (lists and kind is FieldKind.MULTI)):
        raise Unsaid(f"field {name} holds {of}")
