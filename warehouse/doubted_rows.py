"""The rows of a log of which DuckDB cannot say what the careful way says: that way looks at them, and at no other.

Most are not sound and are set aside, under the numbers they have in the log. What is sound after all, such as a text
whose JSON the two write differently, is laid beside the rows that DuckDB reads.
"""

from dataclasses import dataclass

import pyarrow as pa

from components.domain import Ints
from components.ingest.interactions import column_names
from components.ingest.log_rows import rows_of
from components.ingest.plain_log import PlainLog, rows_at
from components.ingest.read_log import frame_of
from components.ingest.set_aside import Excerpt
from components.ingest.source import Source
from components.schema import TABLES, arrow_schema

MOST_IN_DOUBT = 200_000
"""So many rows are looked at beside those that DuckDB reads; with more the log goes the careful way. They are held."""

NAMES = ("impression_id", "request_id", "user_id", "item_id")
SAID = ("at", "position", "propensity", "generation", "context", "eligible", "outcome_at")
TYPES = {field.name: field.type for table in TABLES for field in arrow_schema(table)}


@dataclass(frozen=True, slots=True)
class DoubtedRows:
    """`numbers` of the rows in doubt, from 0; cells `again` of those that are sound; what is wrong with the others."""

    numbers: Ints
    again: pa.Table
    set_aside: int = 0
    faults: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, pa.Table]:
        """What `01_ingest/log_cells` reads of them, by name."""
        return {"rows_in_doubt": pa.table({"n": pa.array(self.numbers, pa.int64())}), "rows_read_again": self.again}


def doubted_rows(log: PlainLog, numbers: Ints, source: Source, origin: str) -> DoubtedRows:
    """What the careful way makes of the rows with these numbers, ascending; `origin` names the log in messages.

    Raises
    ------
    ContractBroken
        As it does: if more than a twentieth of the log cannot be used.
    """
    schema = _schema(1 + len(source.measured))
    if not len(numbers):
        return DoubtedRows(numbers, schema.empty_table())
    frame = frame_of(rows_at(log, numbers, column_names(source)), log.path)
    rows = rows_of(Excerpt(frame, numbers, log.rows), source, origin)
    again = pa.Table.from_pandas(rows.cells, schema=schema, preserve_index=False)
    return DoubtedRows(numbers, again, rows.set_aside, rows.faults)


def _schema(kinds: int) -> pa.Schema:
    """The columns of `01_ingest/log_cells`."""
    outcomes = [(f"{what}_{number}", TYPES[what]) for number in range(1, kinds + 1) for what in ("reward", "grade")]
    return pa.schema([("n", pa.int64()), *((name, TYPES[name]) for name in (*NAMES, *SAID)), *outcomes])
