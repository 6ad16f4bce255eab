"""The three tables of a log, declared once: requests, impressions and outcomes.

Ingest, worlds and the service make frames of these columns, the warehouse takes them as these Arrow types, and the
contracts of a window allow these kinds of values. Instants are microseconds UTC. Grain and keys stand in
``warehouse/sql/00_schema/tables.sql``, whose columns are held to these by a test.
"""

from dataclasses import dataclass

import pyarrow as pa

REQUESTS, IMPRESSIONS, OUTCOMES = TABLES = ("requests", "impressions", "outcomes")

TEXT, WHOLE, NUMBER = ("string",), ("integer",), ("floating", "integer")
UNKNOWN = "empty"
"""What a column without a single value is called."""
ABSENT = "absent"
"""What a column that is not there is called."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Arrow type, and the kinds of values a window's contracts allow in it; none: not checked.

    `kinds` are words of `pandas.api.types.infer_dtype`.
    """

    name: str
    type: pa.DataType
    kinds: tuple[str, ...] = ()


COLUMNS: dict[str, tuple[Column, ...]] = {
    REQUESTS: (
        Column("request_id", pa.string(), TEXT),
        Column("user_id", pa.string(), TEXT),
        Column("at", pa.int64(), WHOLE),
        Column("generation", pa.int32(), (*NUMBER, UNKNOWN)),
        Column("context", pa.string()),
        Column("eligible", pa.list_(pa.string()), ("mixed", UNKNOWN)),
    ),
    IMPRESSIONS: (
        Column("impression_id", pa.string(), TEXT),
        Column("request_id", pa.string(), TEXT),
        Column("item_id", pa.string(), TEXT),
        Column("position", pa.int32(), WHOLE),
        Column("propensity", pa.float64(), (*NUMBER, UNKNOWN)),
        Column("score", pa.float64(), (*NUMBER, UNKNOWN)),
        Column("logit", pa.float64()),
        Column("generation", pa.int32(), (*NUMBER, UNKNOWN)),
        Column("logging_policy", pa.string()),
        Column("at", pa.int64(), (*WHOLE, ABSENT)),
    ),
    OUTCOMES: (
        Column("impression_id", pa.string(), TEXT),
        Column("kind", pa.string(), TEXT),
        Column("reward", pa.float64(), NUMBER),
        Column("grade", pa.float64()),
        Column("outcome_at", pa.int64(), WHOLE),
    ),
}
"""Table -> its columns in order. `context` is JSON text, `eligible` null where the log did not record it, `reward` what
the source's rule makes of an outcome, `grade` how strong it was, null where that is unknown."""


def names(table: str) -> tuple[str, ...]:
    """The columns of a table, in order.

    >>> names(OUTCOMES)
    ('impression_id', 'kind', 'reward', 'grade', 'outcome_at')
    """
    return tuple(column.name for column in COLUMNS[table])


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema([(column.name, column.type) for column in COLUMNS[table]])


def checked_kinds(table: str) -> dict[str, tuple[str, ...]]:
    """Column -> kinds of values that a window's contracts allow in it; columns that are not checked are left out."""
    return {column.name: column.kinds for column in COLUMNS[table] if column.kinds}
