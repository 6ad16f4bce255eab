"""A made log of a size: two days, and the beginning of a third, ten eligible items a request, tastes that drift by day.

    python -m benchmarks.scale_log --impressions 1e6 --out FOLDER [--seed 0]

DuckDB draws it and writes it as it goes (`scale_log.sql`), so that a log larger than memory can be made. The same seed
gives the same log with the same DuckDB, whose hash the dice are. There are twenty impressions a day for each user and
two hundred for each item. The logging policy shows the first eligible item with probability .37 and each other with
.07, whoever asks.

What an item is to everybody comes and goes over forty days; a click is likelier on the kind of item that the user
likes, and a quarter of the users turn to another kind from one day to the next. That is enough to learn for predictions
of the first generation to hold on the second day: noise would be set aside by the loop, and nothing be measured.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from components.domain import DAY, SECOND

SQL, DESCRIPTION = (Path(__file__).with_suffix(ending) for ending in (".sql", ".toml"))
BEGINS = 1_700_000_000_000_000
"""Instant of the first impression, microseconds."""
MEMORY = "2GB"
"""What DuckDB may take while it draws; rows are written as they come, so no size needs more."""
LEAST = 200
"""Users and items there are at least: ten eligible items are distinct from 20 items on."""
ATTRIBUTION = 60 * SECOND
"""When an impression's outcome is known, as the description says."""
FEW = 1_000
"""Impressions of the third day at most: what a service logs between two refreshes is small whatever the shop is."""


@dataclass(frozen=True, slots=True)
class Day:
    """One file of the log: the impressions of `number`, spread over `span` microseconds."""

    number: int
    impressions: int
    span: int = DAY

    @property
    def begins(self) -> int:
        """Instant of its first impression, microseconds."""
        return BEGINS + self.number * DAY

    @property
    def ends(self) -> int:
        """The instant after its last impression, microseconds."""
        return self.begins + self.span

    @property
    def name(self) -> str:
        """Its file in the log's folder."""
        return f"day{self.number}.parquet"


def days(impressions: int) -> tuple[Day, Day, Day]:
    """Two whole days, and the first hundredth of the third, of `FEW` impressions at most."""
    return Day(0, impressions), Day(1, impressions), Day(2, min(-(-impressions // 100), FEW), DAY // 100)


def write_log(impressions: int, folder: Path, seed: int) -> None:
    """The days of a log, and beside them the description of their columns, ``source.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(DESCRIPTION, folder / "source.toml")
    for day in days(impressions):
        draw(day, impressions, seed, folder / day.name)


def draw(day: Day, size: int, seed: int, path: Path) -> None:
    """One day of a log of `size` impressions a day, which decides how many users and items there are."""
    known = {"users": max(size // 20, LEAST), "items": max(size // 200, LEAST), "seed": seed, "path": str(path)}
    drawn = {"day": day.number, "impressions": day.impressions, "begins": day.begins, "span": day.span}
    with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(SQL.read_text(), {**known, **drawn})


def main(
    impressions: Annotated[float, typer.Option(help="A day.", min=1)],
    out: Annotated[Path, typer.Option(help="The folder of its files.")],
    seed: Annotated[int, typer.Option(help="Of the dice.")] = 0,
) -> None:
    """Make a log."""
    write_log(int(impressions), out, seed)


if __name__ == "__main__":
    typer.run(main)
