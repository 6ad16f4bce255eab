"""What a look at a large lake costs: ``python -m benchmarks.lake [--files 1e5] [--new 10] [--delta] [--json]``.

So many small Parquet files, in a hundred folders, that count as taken: all are entered at once, as an ingest of each
would have entered it. Then the look that every turn takes is timed, when nothing is new and when some files are; and a
first ingest, by the file. With `--delta` the same files are a Delta table of one version (needs `evercurrent[delta]`),
and new files are a version each.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import typer

from components.domain import ContractBroken
from components.ingest.delta import delta_table, is_delta
from components.ingest.lake import listing
from flows.stages.lake import take_lake
from flows.workspace import Workspace, enter
from warehouse import lake as ledger
from warehouse.connect import Warehouse, connect
from warehouse.lake import Position

DAYS, ROWS, FIRST, LOOKS = 100, 20, 50, 3
"""Folders of the lake, rows of a file, files that the first ingest brings, and looks when nothing is new."""
DESCRIPTION = """
name = "lake"
title = "A log of many files"
columns = { user_id = "user", item_id = "item" }
time = { column = "at", unit = "s" }
outcome = { column = "liked", kind = "like", equals = 1 }
fields = [{ name = "user", kind = "id", of = "user" }, { name = "item", kind = "id", of = "item" }]
"""


def main(
    files: Annotated[float, typer.Option(help="That were taken.", min=2 * FIRST)] = 1e5,
    new: Annotated[int, typer.Option(help="That come in the end.", min=1)] = 10,
    delta: Annotated[bool, typer.Option("--delta", help="A Delta table instead of a folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make the lake, take it, and look again."""
    with TemporaryDirectory(prefix="evercurrent-lake-") as folder:
        found = measured(Path(folder), int(files), new, delta=delta)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            typer.echo(f"{name:<28} {value:.4g}")


def measured(folder: Path, files: int, new: int, *, delta: bool) -> dict[str, float]:
    """Seconds, by name; `looks` are those of the fastest of some."""
    lake, seconds = folder / "lake", dict[str, float]()
    description, home = folder / "lake.toml", enter(folder / "home")
    description.write_text(DESCRIPTION)
    _write(lake, range(FIRST))
    if delta:
        _become_table(lake)
    with _timed(seconds, "first_ingest_seconds"):
        _look(home, lake, description, FIRST)
    _write_copies(lake, range(FIRST, files))
    if delta:
        shutil.rmtree(lake / "_delta_log")
        _become_table(lake)
    _enter_all(home, lake)
    with _timed(seconds, "listing_seconds"):
        delta_table(lake) if delta else listing(str(lake))
    with _timed(seconds, "known_seconds"):
        ledger.lake_files(Warehouse(home.database, "lake"), str(lake))
    looks = []
    for _ in range(LOOKS):
        with _timed(seconds, "look_seconds"):
            _look(home, lake, description, 0)
        looks.append(seconds["look_seconds"])
    _write_new(lake, range(files, files + new), delta=delta)
    with _timed(seconds, "look_with_news_seconds"):
        _look(home, lake, description, new)
    per_file = seconds.pop("first_ingest_seconds") / FIRST
    return {"files": files, "new": new, "first_ingest_ms_a_file": 1e3 * per_file, **seconds, "look_seconds": min(looks)}


def _look(home: Workspace, lake: Path, description: Path, expected: int) -> None:
    taken = take_lake(home, description, str(lake))
    if len(taken.batches) != expected or taken.refused:
        raise ContractBroken(f"{len(taken.batches)} files were taken, {expected} are new; refused: {taken.refused[:3]}")


def _rows(number: int) -> pa.Table:
    ids = range(number * ROWS, number * ROWS + ROWS)
    columns = {"user": [f"u{n % 997}" for n in ids], "item": [f"i{n % 101}" for n in ids]}
    return pa.table(columns | {"at": [1_700_000_000 + n for n in ids], "liked": [n % 2 for n in ids]})


def _path(lake: Path, number: int) -> Path:
    return lake / f"day={number % DAYS:03d}" / f"part-{number}.parquet"


def _write(lake: Path, numbers: range) -> None:
    for number in numbers:
        _path(lake, number).parent.mkdir(parents=True, exist_ok=True)
        pa_parquet.write_table(_rows(number), _path(lake, number))


def _write_copies(lake: Path, numbers: range) -> None:
    """Files that count as taken are never opened: each is the first one again."""
    for day in range(DAYS):
        (lake / f"day={day:03d}").mkdir(exist_ok=True)
    for number in numbers:
        shutil.copyfile(_path(lake, 0), _path(lake, number))


def _write_new(lake: Path, numbers: range, *, delta: bool) -> None:
    if not delta:
        _write(lake, numbers)
        return
    import deltalake

    for number in numbers:
        rows = _rows(number).append_column("day", pa.array([f"{number % DAYS:03d}"] * ROWS))
        deltalake.write_deltalake(lake, rows, mode="append")


def _become_table(lake: Path) -> None:
    import deltalake

    days = deltalake.Schema.from_arrow(pa.schema([("day", pa.string())]))
    deltalake.convert_to_deltalake(lake, partition_by=days, partition_strategy="hive")


def _enter_all(home: Workspace, lake: Path) -> None:
    w = Warehouse(home.database, "lake")
    if is_delta(str(lake)):
        ledger.enter_position(w, str(lake), Position(delta_table(lake).version, opening=False))
    listed, columns = listing(str(lake)), ["at", "item", "liked", "user"]
    entered = pd.DataFrame(
        {
            "source": w.source,
            "lake": str(lake),
            "file": listed.keys(),
            "size": [stamp.size for stamp in listed.values()],
            "written_ns": [stamp.written_ns for stamp in listed.values()],
            "digest": [f"{number:032x}" for number in range(len(listed))],
            "columns": [columns] * len(listed),
        }
    )
    with connect(w.path) as connection:
        connection.register("entered", pa.Table.from_pandas(entered))
        connection.execute("insert or ignore into lake_files by name select * from entered")


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begin


if __name__ == "__main__":
    typer.run(main)
