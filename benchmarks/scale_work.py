"""Work whose seconds are told without those of the imports before it: one JSON number on stdout.

    python -m benchmarks.scale_work floor LOG.parquet FOLDER
    python -m benchmarks.scale_work refresh HOME CUTOFF
    python -m benchmarks.scale_work old HOME IMPRESSIONS SIZE SEED

`floor` is what DuckDB alone takes to write a file of the made log into the warehouse's three tables. `refresh` is the
fast loop; a worker that is up, as in a deployment, has imported and found its server before. `old`
fills a warehouse with days before the first one of its log, `SIZE` being what makes the same users and items: the same
rows by the same statements as the floor's, because an ingest of so many takes longer than all that is measured.
"""

import time
from datetime import datetime
from pathlib import Path

import duckdb
import typer

from benchmarks.scale_log import Day, draw
from warehouse.connect import CONFIG, connect, transaction
from warehouse.query import statements

OLD_DAY = 10_000_000
"""Impressions of an old day at most."""
INSERTS = Path(__file__).with_name("scale_floor.sql")

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def floor(log: Path, folder: Path) -> None:
    """Seconds until the rows of a log are in the three tables and in the file."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with duckdb.connect(str(folder / "floor.duckdb"), config=CONFIG) as connection:
        connection.execute("set enable_progress_bar = false")
        for statement in statements("00_schema/tables"):
            connection.execute(statement)
        _insert(connection, log)
    typer.echo(time.perf_counter() - begin)


@app.command()
def old(home: Path, impressions: int, size: int, seed: int) -> None:
    """Seconds that days of `OLD_DAY` impressions at most, before the first of a log, take into its warehouse."""
    begin = time.perf_counter()
    path = home / "old.parquet"
    with connect(home / "warehouse.duckdb") as connection:
        for number in range(-(-impressions // OLD_DAY)):
            day = Day(-1 - number, min(OLD_DAY, impressions - number * OLD_DAY))
            draw(day, size, seed, path)
            _insert(connection, path)
            path.unlink()
    typer.echo(time.perf_counter() - begin)


@app.command()
def refresh(home: Path, cutoff: str) -> None:
    """Seconds that one round of the fast loop takes."""
    from flows.cli.commands import quietly
    from flows.cli.entered import entered
    from flows.cli.preload import preload
    from flows.stack.beside import await_server

    quietly()
    entered(home, of_a_log=True)  # before Prefect is imported
    from flows.refresh_memory import refresh_memory

    preload()
    await_server()
    begin = time.perf_counter()
    said = refresh_memory(str(home), datetime.fromisoformat(cutoff))
    seconds = time.perf_counter() - begin
    if "knows the outcomes" not in said:
        raise SystemExit(f"error: the refresh learned nothing: {said}")
    typer.echo(seconds)


def _insert(connection: duckdb.DuckDBPyConnection, log: Path) -> None:
    with transaction(connection):
        for insert in filter(str.strip, INSERTS.read_text().split(";")):
            connection.execute(insert, {"path": str(log)})


if __name__ == "__main__":
    app()
