"""Work whose seconds are told without those of the imports before it: one JSON number on stdout.

    python -m benchmarks.scale_work floor LOG.parquet FOLDER
    python -m benchmarks.scale_work refresh HOME CUTOFF

`floor` is what DuckDB alone takes to write a file of the made log into the warehouse's three tables. `refresh` is the
fast loop; a worker that is up, as in a deployment, has imported and found its server before.
"""

import time
from datetime import datetime
from pathlib import Path

import duckdb
import typer

from warehouse.connect import CONFIG
from warehouse.query import statements

INSERTS = Path(__file__).with_name("scale_floor.sql")

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def floor(log: Path, folder: Path) -> None:
    """Seconds until the rows of a log are in the three tables and in the file."""
    folder.mkdir(parents=True, exist_ok=True)
    inserts = [part for part in INSERTS.read_text().split(";") if part.strip()]
    begin = time.perf_counter()
    with duckdb.connect(str(folder / "floor.duckdb"), config=CONFIG) as connection:
        connection.execute("set enable_progress_bar = false")
        for statement in statements("00_schema/tables"):
            connection.execute(statement)
        connection.begin()
        for insert in inserts:
            connection.execute(insert, {"path": str(log)})
        connection.commit()
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


if __name__ == "__main__":
    app()
