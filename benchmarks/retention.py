"""What the disk gets back when old facts go: a made log of some days, of which all but two are pruned.

    python -m benchmarks.retention [--impressions 5e4] [--days 8] [--json]

Bytes of the warehouse's file and of the archive, and seconds of one prune's work on facts (no generation is made, so
the days go by hand): writing and checking their files, deleting rows, and copying what is left into a smaller file.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.scale_log import BEGINS, DESCRIPTION, Day, draw
from components.domain import DAY
from flows.site.disk_use import size_of, told
from flows.stages.ingest import ingest_file
from flows.workspace import Workspace, enter
from warehouse import old_facts
from warehouse.compact import compact
from warehouse.connect import Warehouse
from warehouse.facts import Maturing
from warehouse.old_facts import Reach

KEPT = 2
"""Days that stay."""


def main(
    impressions: Annotated[float, typer.Option(help="A day.", min=1)] = 5e4,
    days: Annotated[int, typer.Option(help="Days of the log.", min=KEPT + 1)] = 8,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make a log, bring it into a home, and take all but its last days out."""
    with TemporaryDirectory(prefix="evercurrent-retention-") as folder:
        found = measured(Path(folder), int(impressions), days)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            typer.echo(f"{name:<28} {told(int(value)) if name.endswith('bytes') else value}")


def measured(folder: Path, impressions: int, days: int) -> dict[str, float]:
    """Bytes and seconds, by name."""
    workspace = enter(folder / "home")
    _ingest(workspace, folder / "log", impressions, days)
    w, cutoff = Warehouse(workspace.database, "scale"), (BEGINS // DAY + days + 1 - KEPT) * DAY
    before, seconds = workspace.database.stat().st_size, dict[str, float]()
    with _timed(seconds, "plan_seconds"):
        going = old_facts.old_days(w, Reach(cutoff, cutoff, Maturing("click", 60.0)))
    with _timed(seconds, "take_out_seconds"):
        for day in going:
            old_facts.take_out(w, day, Maturing("click", 60.0), 0, workspace.old_facts)
    deleted = workspace.database.stat().st_size
    with _timed(seconds, "compact_seconds"):
        compact(workspace.database)
    return {
        **{"impressions": impressions * days, "days_out": len(going)},
        "impressions_out": sum(day.impressions for day in going),
        "warehouse_before_bytes": before,
        "warehouse_deleted_bytes": deleted,
        "warehouse_after_bytes": workspace.database.stat().st_size,
        "archive_bytes": size_of(workspace.old_facts),
        **seconds,
    }


def _ingest(workspace: Workspace, folder: Path, impressions: int, days: int) -> None:
    folder.mkdir()
    shutil.copyfile(DESCRIPTION, folder / "source.toml")
    for day in (Day(number, impressions) for number in range(days)):
        draw(day, impressions, 0, folder / day.name)
    for path in sorted(folder.glob("*.parquet")):
        ingest_file(workspace, path, folder / "source.toml")


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - begin, 2)


if __name__ == "__main__":
    typer.run(main)
