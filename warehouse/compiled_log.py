"""A source's description and the types of a log -> what DuckDB reads of it: the slots of ``01_ingest/log_cells.sql``.

What the careful way (`components.ingest.interactions`) makes of a log is said here once more, for the logs of which
that can be said exactly; a test holds the two together, row by row.
"""

from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from components.feature_spec import FieldOf
from components.ingest.interactions import lacking
from components.ingest.log_rows import json_rows
from components.ingest.plain_log import PlainLog
from components.ingest.source import OutcomeColumn, Source
from warehouse.log_cells import (
    Cell,
    Types,
    Unsaid,
    id_cell,
    identifier,
    ids_cell,
    instant_cell,
    is_text,
    json_cell,
    number_cell,
    part,
    type_of,
    whole_cell,
)

Variable = str | list[str] | list[str | None] | list[float] | list[int] | list[bool]
NOTHING = Cell("null", "true")


@dataclass(frozen=True, slots=True)
class CompiledLog:
    """What is read of a log.

    Attributes
    ----------
    cells : name -> expression and the condition under which it may be read so.
    outcomes : the same of reward and grade of each outcome, ``reward_1``, ``grade_1``, ...
    judged : outcomes whose distinct values the rule has yet to judge: number -> outcome; those that are reward 1 become
        the variable ``positive_<number>``.
    given : the columns that the log's folders give it, and their types.
    variables : what the expressions ask the connection for, by name.
    """

    cells: dict[str, Cell]
    outcomes: dict[str, Cell]
    judged: dict[int, OutcomeColumn]
    given: dict[str, pa.DataType]
    variables: dict[str, Variable] = field(default_factory=dict)

    @property
    def slots(self) -> dict[str, str]:
        """Name -> expression."""
        said = ", ".join(f"{cell.value} as {name}" for name, cell in self.outcomes.items())
        return {name: cell.value for name, cell in self.cells.items()} | {"outcomes": said}

    @property
    def folders(self) -> str:
        """The columns that the log's folders give it, to be said after its own."""
        types = ["bigint" if pa.types.is_integer(of) else "varchar" for of in self.given.values()]
        named = enumerate(zip(self.given, types, strict=True), 1)
        return "".join(f", getvariable('folders')[{n}]::{of} as {identifier(name)}" for n, (name, of) in named)


def compiled(log: PlainLog, source: Source) -> CompiledLog:
    """What DuckDB reads of a log.

    Raises
    ------
    Unsaid
        If that would not be just what the careful way reads.
    """
    for missing in lacking(log.types, source):
        raise Unsaid(f"column {missing} is not there")
    kinds = dict(enumerate((source.outcome, *source.measured), 1))
    outcomes = {
        f"{what}_{number}": cell
        for number, outcome in kinds.items()
        for what, cell in zip(("reward", "grade"), _outcome(log.types, number, outcome), strict=True)
    }
    judged = {n: o for n, o in kinds.items() if o.at_least is None and o.reward is None}
    given = {name: log.types[name] for name in log.folders.given}
    return CompiledLog(_cells(log.types, source), outcomes, judged, given, _variables(log, source))


def _cells(types: Types, source: Source) -> dict[str, Cell]:
    named, unit = source.columns, source.time.unit
    user, item = id_cell(types, named.user_id), id_cell(types, named.item_id)
    at = instant_cell(types, source.time.column, unit, needed=True)
    joined = Cell(f"{part(user)} || '|' || {part(item)} || '|' || ({at.value})", "true")
    impression = id_cell(types, named.impression_id) if named.impression_id else joined
    return {
        "user_id": user,
        "item_id": item,
        "at": at,
        "impression_id": impression,
        "request_id": id_cell(types, named.request_id) if named.request_id else impression,
        "position": whole_cell(types, named.position, needed=True) if named.position else Cell("0", "true"),
        "propensity": number_cell(types, named.propensity) if named.propensity else NOTHING,
        "generation": whole_cell(types, named.generation, needed=False) if named.generation else NOTHING,
        "outcome_at": instant_cell(types, named.outcome_at, unit, needed=False) if named.outcome_at else at,
        "eligible": ids_cell(types, named.eligible) if named.eligible else NOTHING,
        "context": _context(types, source),
    }


def _context(types: Types, source: Source) -> Cell:
    """JSON of the context's fields that the log brings; their names are the variable `context_keys`."""
    cells = [json_cell(types, f) for f in source.fields if f.of is FieldOf.CONTEXT and (f.column or f.name) in types]
    if not cells:
        return NOTHING
    said = ", ".join(f"getvariable('context_keys')[{n}] || {cell.value}" for n, cell in enumerate(cells, 1))
    return Cell(f"'{{' || concat_ws(',', {said}) || '}}'", " and ".join(f"({cell.sound})" for cell in cells))


def _outcome(types: Types, number: int, outcome: OutcomeColumn) -> tuple[Cell, Cell]:
    """Reward and grade of an outcome, null where it did not come."""
    grade = number_cell(types, outcome.graded_by) if outcome.graded_by else NOTHING
    if outcome.amounts is not None:
        low, high = f"getvariable('lows')[{number}]", f"getvariable('highs')[{number}]"
        counted = f"({grade.value}) - {low}"
        sound = f"({grade.value}) is null or (({grade.sound}) and ({grade.value}) between {low} and {high})"
        return Cell(f"(({counted}) > 0)::integer::double", sound), Cell(counted, "true")
    if outcome.at_least is not None:
        value = number_cell(types, outcome.column)
        return Cell(f"(({value.value}) >= getvariable('lows')[{number}])::integer::double", value.sound), grade
    name, of = identifier(outcome.column), sql_type(types, outcome.column)
    positive = f"list_contains(getvariable('positive_{number}')::{of}[], {name}::{of})::integer::double"
    return Cell(f"case when {name} is not null then {positive} end", "true"), grade


def sql_type(types: Types, column: str) -> str:
    """What the values of a column are that a rule judges one by one."""
    of = type_of(types, column)
    if is_text(of):
        return "varchar"
    if pa.types.is_integer(of):
        return "hugeint"
    if pa.types.is_floating(of) and not pa.types.is_float16(of):
        return "double"
    if pa.types.is_boolean(of):
        return "boolean"
    raise Unsaid(f"column {column} holds {of} for an outcome")


def _variables(log: PlainLog, source: Source) -> dict[str, Variable]:
    """Bounds of the outcomes (`lows` is what counts from there: an amount, or a value that is enough), and names."""
    kinds = (source.outcome, *source.measured)
    fields = [f.name for f in source.fields if f.of is FieldOf.CONTEXT and (f.column or f.name) in log.types]
    return {
        "log_path": str(log.path),
        "folders": [None if value is None else str(value) for value in log.folders.given.values()] or [""],
        "kinds": [outcome.kind for outcome in kinds],
        "lows": [outcome.amounts.low if outcome.amounts else outcome.at_least or 0.0 for outcome in kinds],
        "highs": [_high(outcome) for outcome in kinds],
        "context_keys": [str(json_rows(pd.DataFrame({name: [None]}))[0])[1 : -len("null}")] for name in fields] or [""],
    }


def _high(outcome: OutcomeColumn) -> float:
    known = outcome.amounts.high if outcome.amounts else None
    return float("inf") if known is None else known
