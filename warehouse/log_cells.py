"""The cells of a log's columns as DuckDB says them, wherever it says just what `components.ingest.cells` says.

Text of SQL is put together here, and of these parts in `warehouse.compiled_log`: from fixed expressions and from names
of columns, which are quoted by `identifier` alone; every value is a variable of the connection. A type that is not
named here is `Unsaid`, and the log goes the careful way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from components.feature_spec import FieldKind
from components.ingest.cells import EXACT, UNITS
from components.ingest.source import FieldColumn

Types = Mapping[str, pa.DataType]

WORD = r"[\pL\pN]"
CONTROL = r"[\x00-\x1f\x7f\x{85}\x{2028}\x{2029}]"
INSTANT = (
    r"\d{4}-\d{2}-\d{2}"
    r"([T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-3]):[0-5]\d)?)?"
)


class Unsaid(Exception):
    """A column that DuckDB cannot be trusted to say as the careful way does; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An expression, null where a cell is missing, and the condition under which it is what the careful way says.

    Where the condition does not hold the expression may be anything, but never an error: an engine may ask it all the
    same.
    """

    value: str
    sound: str


def identifier(name: str) -> str:
    """A column's name in SQL.

    >>> identifier('"; drop table requests; --')
    '\"\"\"; drop table requests; --\"'
    """
    return '"' + name.replace('"', '""') + '"'


def type_of(types: Types, column: str) -> pa.DataType:
    """The type of a column of the log."""
    if column not in types:
        raise Unsaid(f"column {column} is not there, or pandas' own")
    return types[column]


def is_text(of: pa.DataType) -> bool:
    """Whether a column holds texts."""
    return pa.types.is_string(of) or pa.types.is_large_string(of)


def is_list(of: pa.DataType) -> bool:
    """Whether a column holds lists of ids."""
    return pa.types.is_list(of) and (is_text(of.value_type) or pa.types.is_integer(of.value_type))


def id_cell(types: Types, column: str) -> Cell:
    """Text of an id; nobody's is blank."""
    of, name = type_of(types, column), identifier(column)
    if pa.types.is_integer(of):
        return Cell(f"{name}::varchar", f"{name} is not null")
    if is_text(of):
        return Cell(name, f"({name} >= '!' and {name} < chr(127)) or regexp_matches({name}, '{WORD}')")
    raise Unsaid(f"column {column} holds {of} for ids")


def part(cell: Cell) -> str:
    """An id as a part of one that is joined by ``|``; see `components.ingest.interactions`."""
    return rf"replace(replace({cell.value}, '\', '\\'), '|', '\|')"


def instant_cell(types: Types, column: str, unit: str, *, needed: bool) -> Cell:
    """Microseconds from 1970 to 2255."""
    of, name = type_of(types, column), identifier(column)
    missing = "false" if needed else f"{name} is null"
    if unit == "iso" and pa.types.is_timestamp(of):
        value, most = (f"epoch_us({name})", EXACT) if of.unit != "ns" else (f"epoch_ns({name})", EXACT * 1000)
        cut = f"{value} // 1000" if of.unit == "ns" else value  # not rounded
        return Cell(cut, f"{missing} or {value} between 0 and {most}")
    if unit == "iso" and is_text(of):
        value = f"epoch_us(try_cast(nullif({name}, '') as timestamptz))"
        read = f"regexp_full_match({name}, '{INSTANT}') and {value} between 0 and {EXACT}"
        blank = "false" if needed else f"{name} = ''"
        return Cell(value, f"{missing} or {blank} or ({read})")
    if unit in UNITS and pa.types.is_integer(of):
        read = f"{name} between 0 and {EXACT // UNITS[unit]}"
        return Cell(f"case when {read} then {name}::bigint * {UNITS[unit]} end", f"{missing} or {read}")
    if unit in UNITS and pa.types.is_float64(of) and not needed:
        number = number_cell(types, column).value
        read = f"trunc({name}) = {name} and {name} between 0 and {EXACT // UNITS[unit]}"
        return Cell(f"case when {read} then ({number})::bigint * {UNITS[unit]} end", f"({number}) is null or ({read})")
    raise Unsaid(f"column {column} holds {of} for times in unit {unit}")


def number_cell(types: Types, column: str) -> Cell:
    """A finite number, as double; that none is nan was asked before, as DuckDB's `isnan` is not to be trusted here."""
    of, name = type_of(types, column), identifier(column)
    if pa.types.is_float32(of) or pa.types.is_float64(of):
        return Cell(f"{name}::double", f"{name} is null or not isinf({name})")
    if pa.types.is_integer(of) or (pa.types.is_decimal128(of) and of.precision <= 15 and of.scale >= 0):
        return Cell(f"{name}::double", "true")
    raise Unsaid(f"column {column} holds {of} for numbers")


def whole_cell(types: Types, column: str, *, needed: bool) -> Cell:
    """A whole number of 32 bits."""
    number = number_cell(types, column)
    missing = "false" if needed else f"({number.value}) is null"
    read = f"trunc({number.value}) = {number.value} and {number.value} between -2147483648 and 2147483647"
    return Cell(f"try_cast({number.value} as integer)", f"{missing} or (({number.sound}) and ({read}))")


def ids_cell(types: Types, column: str) -> Cell:
    """A list of distinct ids, or a text that is cut at ``|``."""
    of, name = type_of(types, column), identifier(column)
    if is_list(of):
        value, missing = f"{name}::varchar[]", f"{name} is null"
    elif is_text(of):
        value, missing = f"string_split(nullif({name}, ''), '|')", f"{name} is null or {name} = ''"
    else:
        raise Unsaid(f"column {column} holds {of} for eligible sets")
    blank = f" and regexp_matches({name}, '{WORD}')" if is_text(of) else ""
    read = f"list_unique({value}) = len({value}) and not list_contains({value}, ''){blank}"
    return Cell(value, f"{missing} or ({read})")


def json_cell(types: Types, field: FieldColumn) -> Cell:
    """The value of a field in JSON, written as pandas writes it; ``null`` where there is none."""
    column = field.column or field.name
    of, name = type_of(types, column), identifier(column)
    if field.edges is not None:
        raise Unsaid(f"field {field.name} is cut at edges")
    if field.kind is FieldKind.MULTI:
        return _json_words(of, name, field)
    if pa.types.is_integer(of):
        quote = "" if field.kind is FieldKind.NUMERIC else '"'
        return Cell(f"coalesce('{quote}' || {name}::varchar || '{quote}', 'null')", "true")
    if is_text(of) and field.kind is not FieldKind.NUMERIC:
        return Cell(f"coalesce({_quoted(name)}, 'null')", f"not coalesce(regexp_matches({name}, '{CONTROL}'), false)")
    raise Unsaid(f"field {field.name} is {field.kind.value} and its column holds {of}")


def _json_words(of: pa.DataType, name: str, field: FieldColumn) -> Cell:
    if is_list(of):
        words = f"{name}::varchar[]"
    elif is_text(of):
        words = f"string_split({name}, '|')"
    else:
        raise Unsaid(f"field {field.name} is multi and its column holds {of}")
    said = f"list_transform(list_filter({words}, lambda w: w <> ''), lambda w: {_quoted('w')})"
    sound = f"not coalesce(regexp_matches(array_to_string({words}, ' '), '{CONTROL}'), false)"
    return Cell(f"coalesce('[' || array_to_string({said}, ',') || ']', 'null')", sound)


def _quoted(text: str) -> str:
    return rf"""('"' || replace(replace(replace({text}, '\', '\\'), '"', '\"'), '/', '\/') || '"')"""
