"""Closed files of the decision log as Parquet: every line as it stands there, with its number and its place.

A file and its archive say the same, byte for byte: an archive becomes the file again, and a warehouse that does not
know the file reads it from there.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.domain import ContractBroken
from components.ingest.log_tail import ENDING, FOLDER
from components.whole_file import write_whole

ARCHIVE = "archive"
SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("offset", pa.int64()), ("raw", pa.binary())])
"""`raw` is a line with its end, of which a torn last one has none; `line` counts from 1, `offset` is its first byte."""
ROWS = 1 << 16
"""Lines of a row group."""


def archive_of(home: Path, file: str) -> Path:
    """Where the archive of a file of the log lies."""
    return home / FOLDER / ARCHIVE / f"{file.removesuffix(ENDING)}.parquet"


def archives(home: Path) -> dict[str, Path]:
    """File of the log -> its archive, of those that have one."""
    return {f"{path.stem}{ENDING}": path for path in sorted((home / FOLDER / ARCHIVE).glob("*.parquet"))}


def write_archive(segment: Path, archive: Path) -> None:
    """Archive a file that is not written to any more; on the disk, and read again, on return.

    Raises
    ------
    ContractBroken
        If what was written does not read as the file does; nothing is left behind.
    """
    content = segment.read_bytes()
    write_lines(segment.name, _lines(content), archive)
    if b"".join(archived_lines(archive)) != content:
        archive.unlink()
        raise ContractBroken(f"{archive} does not read as {segment} does, which stays; see whether the disk is sound")


def write_lines(file: str, lines: list[bytes], archive: Path) -> None:
    """Replace an archive whole by the lines of its file, with their ends."""
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    columns = [[file] * len(lines), list(range(1, len(lines) + 1)), offsets[:-1], lines]
    table = pa.table(columns, schema=SCHEMA)

    def write(path: Path) -> None:
        pq.write_table(table, path, compression="zstd", row_group_size=ROWS, write_page_checksum=True)

    write_whole(archive, write, durable=True)


def archived_lines(archive: Path) -> Iterator[bytes]:
    """The lines of an archived file, with their ends, in order.

    Raises
    ------
    ContractBroken
        If the archive is damaged.
    """
    try:
        with pq.ParquetFile(archive, page_checksum_verification=True) as file:
            for batch in file.iter_batches(ROWS, columns=["raw"]):
                yield from batch.column(0).to_pylist()
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise ContractBroken(f"{archive} cannot be read: {said}; put it back from a copy, or move it away") from None


def restore(archive: Path, to: Path) -> None:
    """Make an archive the file again that it was made of."""
    write_whole(to, lambda path: path.write_bytes(b"".join(archived_lines(archive))), durable=True)


def _lines(content: bytes) -> list[bytes]:
    """Lines with their ends; `bytes.splitlines` would take a carriage return for one."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
