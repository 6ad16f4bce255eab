"""How a CSV file is written: its separator, quotes, decimal mark, encoding and compression, told from its beginning.

Only what every row of the beginning agrees on is believed; where two ways of reading agree as well, or none does, the
file is refused in one line instead of guessed at. Whoever reads a CSV file reads it by this.
"""

import csv
import gzip
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from components.domain import ContractBroken

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
"""What the names of CSV files end in."""
SEPARATORS, QUOTES = (",", ";", "\t", "|"), ('"', "'")
ALLOWED = "allowed are rows of equally many fields, separated by comma, semicolon, tab or bar"
SAMPLE = 1 << 18
"""Bytes from which the dialect is told."""

GZIP, MARKS = b"\x1f\x8b", {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
COMMA_NUMBER = re.compile(r"\s*[+-]?\d+,\d+\s*")
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")
POINT_NUMBER = re.compile(r"\s*[+-]?\d*\.\d+\s*")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How one file is written; `names` are those of its columns."""

    separator: str = ","
    quote: str = '"'
    decimal: str = "."
    encoding: str = "utf-8"
    compressed: bool = False
    names: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        r"""As people write it.

        >>> str(CsvDialect(";", decimal=",", compressed=True)).split(", ")
        ["CSV: separator ';'", 'quote \'"\'', 'decimal comma', 'gzip']
        """
        separator = "tab" if self.separator == "\t" else f"'{self.separator}'"
        quote = f"'{self.quote}'" if self.quote == '"' else f'"{self.quote}"'
        more = [
            "decimal comma" if self.decimal == "," else "",
            {"utf-8-sig": "byte order mark", "utf-16": "UTF-16"}.get(self.encoding, ""),
            "gzip" if self.compressed else "",
        ]
        return ", ".join([f"CSV: separator {separator}, quote {quote}", *filter(None, more)])


def is_csv(path: Path) -> bool:
    """Whether a file is a CSV file by its name."""
    return path.name.lower().endswith(ENDINGS)


def csv_dialect(path: Path) -> CsvDialect:
    """How the file at `path` is written.

    Raises
    ------
    ContractBroken
        If its beginning can be read in no way, or in two; one line.
    OSError
        If it cannot be opened or unpacked.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP
        file.seek(0)
        try:
            begin, whole = _beginning(gzip.GzipFile(fileobj=file) if compressed else file)
        except EOFError:
            raise OSError("the compressed file ends too early") from None
    encoding = next((name for mark, name in MARKS.items() if begin.startswith(mark)), "utf-8")
    text = begin.decode(encoding, errors="replace")
    if not text.strip():
        return CsvDialect(encoding=encoding, compressed=compressed)
    separator, quote, records = _told(text, whole, path)
    decimal = "," if _has_decimal_commas(records[1:], separator) else "."
    return CsvDialect(separator, quote, decimal, encoding, compressed, tuple(records[0]))


def read_csv(path: Path) -> pa.Table:
    """The rows of a CSV file, its columns of the narrowest type that holds for all of them.

    Raises
    ------
    ContractBroken, OSError
        As `csv_dialect`.
    pyarrow.ArrowInvalid
        If rows after the beginning are not like it.
    """
    dialect = csv_dialect(path)
    with _stream(path, dialect) as stream:
        return pa_csv.read_csv(stream, pa_csv.ReadOptions(encoding=_codec(dialect)), *_options(dialect))


def open_csv(path: Path, block: int) -> pa_csv.CSVStreamingReader:
    """As `read_csv`, `block` bytes at a time; the types are those of the first block."""
    dialect = csv_dialect(path)
    reading = pa_csv.ReadOptions(encoding=_codec(dialect), block_size=block)
    return pa_csv.open_csv(_stream(path, dialect), reading, *_options(dialect))


def _codec(dialect: CsvDialect) -> str:
    return "utf-16" if dialect.encoding == "utf-16" else "utf8"  # Arrow takes the mark of UTF-8 away itself


def _stream(path: Path, dialect: CsvDialect) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if dialect.compressed else None)


def _options(dialect: CsvDialect) -> tuple[pa_csv.ParseOptions, pa_csv.ConvertOptions]:
    """Quoted values may hold ends of lines."""
    parsing = pa_csv.ParseOptions(delimiter=dialect.separator, quote_char=dialect.quote, newlines_in_values=True)
    return parsing, pa_csv.ConvertOptions(decimal_point=dialect.decimal)


def _beginning(file: "BinaryIO | gzip.GzipFile") -> tuple[bytes, bool]:
    """The first bytes of a file, an even number of them, and whether that is all."""
    begin = file.read(SAMPLE + 1)
    return begin[:SAMPLE], len(begin) <= SAMPLE


def _told(text: str, whole: bool, path: Path) -> tuple[str, str, list[list[str]]]:
    """Separator and quote of which every row agrees, and the rows, the head first."""
    read = {(s, q): _records(text, s, q, whole) for q in QUOTES for s in SEPARATORS}
    wide = {way: rows for way, rows in read.items() if len(rows[0]) > 1}
    agreed = {way: rows for way, rows in wide.items() if all(len(row) == len(rows[0]) for row in rows)}
    for quote in reversed(QUOTES):
        ways = {way: rows for way, rows in agreed.items() if way[1] == quote}
        if quote != '"':
            ways = {way: rows for way, rows in ways.items() if _encloses(text, *way)}
        most = max((len(rows[0]) for rows in ways.values()), default=0)
        best = [way for way, rows in ways.items() if len(rows[0]) == most]
        if len(best) > 1:
            said = " or ".join(f"'{separator}'" for separator, _ in best)
            raise ContractBroken(f"{path} can be read as {most} columns separated by {said}; {ALLOWED}, by one alone")
        if best:
            return (*best[0], ways[best[0]])
    raise ContractBroken(f"{path} {_not_agreed(wide, read)}; {ALLOWED}")


def _records(text: str, separator: str, quote: str, whole: bool) -> list[list[str]]:
    """The rows without blank ones; without the last where the text was cut."""
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote):
            found += [row] if row else []
    except csv.Error:  # a field longer than this reader takes: no row is one beside those before it
        return found or [[]]
    return found if whole or len(found) < 2 else found[:-1]


def _encloses(text: str, separator: str, quote: str) -> bool:
    """Whether a quote stands around fields, and no other does; an apostrophe within a word is none."""
    edge = re.escape(separator)
    begins = rf"(?:^|{edge}){{}}"
    if re.search(begins.format('"'), text, re.MULTILINE):
        return False
    opened = len(re.findall(begins.format(quote), text, re.MULTILINE))
    return opened > 0 and opened == len(re.findall(rf"{quote}(?=\r?$|{edge})", text, re.MULTILINE))


def _not_agreed(wide: dict[tuple[str, str], list[list[str]]], read: dict[tuple[str, str], list[list[str]]]) -> str:
    if not wide:
        return f"has one column, {read[SEPARATORS[0], QUOTES[0]][0][:1]}"
    (separator, _), rows = max(wide.items(), key=lambda way: len(way[1][0]))
    number, row = next((n, row) for n, row in enumerate(rows) if len(row) != len(rows[0]))
    return f"has {len(row)} fields in row {number} and {len(rows[0])} in its head, separated by {separator!r}"


def _has_decimal_commas(rows: list[list[str]], separator: str) -> bool:
    """Whether numbers are written 2,5: some column has nothing but numbers, and its commas cannot be of thousands."""
    if separator == ",":
        return False
    kinds = Counter(kind for row in rows for cell in row for kind in _number_kinds(cell))
    columns = [[cell for cell in column if cell.strip()] for column in zip(*rows, strict=True)]
    numbers = any(column and all(re.fullmatch(r"\s*[+-]?\d+(,\d+)?\s*", cell) for cell in column) for column in columns)
    return numbers and bool(kinds["comma"]) and not kinds["point"] and not kinds["thousands"]


def _number_kinds(cell: str) -> list[str]:
    if COMMA_NUMBER.fullmatch(cell) and not THOUSANDS.fullmatch(cell):
        return ["comma"]
    if POINT_NUMBER.fullmatch(cell):
        return ["point"]
    return ["thousands"] if cell.count(",") > 1 and THOUSANDS.fullmatch(cell) else []
