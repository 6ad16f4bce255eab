"""What a day of a size costs: its ingest, the first generation, a turn, a refresh; each in a process of its own.

    python -m benchmarks.scale [--sizes 1e5,1e6,1e7] [--large] [--old 1e8] [--json]

The log is made (`scale_log`): one of ten eligible items shown per request, tastes that drift by day. Day 0 becomes the
first generation, day 1 is ingested beside it and makes the turn, the first quarter of an hour of day 2 the refresh.
`seconds` are those of whole processes, Python's imports and Prefect's server among them; of the refresh, which a worker
that is up repeats every few minutes, those of the work alone. `peak_gib` is the largest resident memory of the process.
The floor of the ingest is DuckDB's plain ``insert ... select`` of the same rows into the same three tables. With
`--old` the turn is made once more, in a copy of its home that has so many impressions of earlier days beside.
"""

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.scale_log import ATTRIBUTION, days
from benchmarks.scale_process import Ended, measured
from components.domain import EvercurrentError, iso
from flows.workspace import scratch

LEAST, LARGE = 1_000, 100_000_000
"""Impressions a day that can be asked for; the most are those that ``--large`` adds."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """Day 1 into a warehouse that holds day 0."""

    seconds: float
    peak_gib: float
    rows_per_second: float
    duckdb_floor_seconds: float


@dataclass(frozen=True, slots=True)
class TurnCost:
    """One turn; `stages` are wall seconds of each: their sum leaves out what the process needs to start and to end."""

    seconds: float
    peak_gib: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Refresh:
    """One round of the fast loop; `seconds` without imports."""

    seconds: float
    peak_gib: float


@dataclass(frozen=True, slots=True)
class Beside:
    """The same turn beside `old` impressions of earlier days."""

    old: int
    turn: TurnCost


@dataclass(frozen=True, slots=True)
class Scale:
    """What everything cost at one number of impressions a day."""

    impressions: int
    ingest: Ingest
    first: TurnCost
    turn: TurnCost
    refresh: Refresh
    beside: Beside | None = None


def measure(impressions: int, folder: Path, seed: int, old: int = 0) -> Scale:
    """All figures at one size, in the order in which a shop would come to them; `old` impressions are from before.

    Raises
    ------
    EvercurrentError
        If a command fails, a turn is refused, or the folder is there: what is ingested already costs nothing.
    """
    if folder.exists():
        raise EvercurrentError(f"{folder} exists already; name another --home, or remove it")
    log, home = folder / "log", folder / "home"
    _tell("log", measured("benchmarks.scale_log", "--impressions", impressions, "--seed", seed, "--out", log))
    day0, day1, day2 = days(impressions)
    _ingested(log / day0.name, home)
    first = _turn("first generation", home, day0.ends)
    ingested = _ingested(log / day1.name, home)
    if old:
        shutil.copytree(home, folder / "old")
    turn = _turn("turn", home, day1.ends)
    _ingested(log / day2.name, home)
    refreshed = _tell("refresh", measured("benchmarks.scale_work", "refresh", home, iso(day2.ends + ATTRIBUTION)))
    floor = _tell("floor", measured("benchmarks.scale_work", "floor", log / day1.name, folder / "floor"))
    ingest = Ingest(ingested.seconds, ingested.peak_gib, impressions / ingested.seconds, float(floor.said))
    beside = _beside(folder / "old", day1.ends, (old, impressions, seed)) if old else None
    return Scale(impressions, ingest, first, turn, Refresh(float(refreshed.said), refreshed.peak_gib), beside)


def _beside(home: Path, cutoff: int, made_of: tuple[int, int, int]) -> Beside:
    _tell("old facts", measured("benchmarks.scale_work", "old", home, *made_of))
    return Beside(made_of[0], _turn("turn beside old facts", home, cutoff))


def _ingested(file: Path, home: Path) -> Ended:
    words = ("flows.cli", "ingest", file, "--source", file.with_name("source.toml"), "--home", home)
    return _tell(f"ingest {file.stem}", measured(*words))


def _turn(name: str, home: Path, cutoff: int) -> TurnCost:
    """The figures of a turn that learned its window: what a refused one costs says nothing."""
    ended = _tell(name, measured("flows.cli", "loop", "--cutoff", iso(cutoff), "--home", home, "--json"))
    record = json.loads(ended.said)
    if record["drift_action"] == "HALT":
        raise EvercurrentError(f"the turn of {iso(cutoff)} halted: {'; '.join(record['reasons'])}")
    return TurnCost(ended.seconds, ended.peak_gib, record["seconds"])


def _tell(what: str, ended: Ended) -> Ended:
    """Say on stderr what has ended: a large size takes long."""
    sys.stderr.write(f"{what}: {ended.seconds:.1f} s, {ended.peak_gib:.2f} GiB\n")
    return ended


def main(
    sizes: Annotated[str, typer.Option(help="Impressions a day, by comma.")] = "1e6",
    large: Annotated[bool, typer.Option("--large", help=f"{LARGE:,} a day, too.")] = False,
    old: Annotated[
        float, typer.Option(help="Impressions of earlier days; the turn is made again beside them.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the made log.")] = 0,
    home: Annotated[Path | None, typer.Option(help="Keep logs and homes below this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure each size in a fresh home."""
    wanted = [*sizes_of(sizes), *([LARGE] if large else [])]
    try:
        with scratch(home) as root:
            found = [measure(size, root / str(size), seed, int(old)) for size in wanted]
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    if as_json:
        sys.stdout.write(json.dumps({"sizes": [asdict(scale) for scale in found]}, indent=1) + "\n")
    else:
        show(found)


def sizes_of(text: str) -> list[int]:
    """Impressions a day, as named.

    Raises
    ------
    typer.BadParameter
        If one is no number, or too small or too large to be measured.
    """
    try:
        sizes = [int(float(size)) for size in text.split(",")]
    except (ValueError, OverflowError):
        sizes = [0]
    if not all(LEAST <= size <= LARGE for size in sizes):
        raise typer.BadParameter(f"--sizes is {text!r}; allowed are numbers from {LEAST:,} to {LARGE:,}, by comma")
    return sizes


def show(found: list[Scale]) -> None:
    """A row for each command, a column for each size; then the stages of the turns."""
    table = Table(title="seconds (and GiB at most) by impressions a day")
    table.add_column("")
    for scale in found:
        table.add_column(f"{scale.impressions:,}", justify="right")
    for name, cells in _rows(found).items():
        table.add_row(name, *cells)
    Console().print(table)


def _rows(found: list[Scale]) -> dict[str, list[str]]:
    rows = {
        "ingest": [_cost(scale.ingest) for scale in found],
        "  rows a second": [f"{scale.ingest.rows_per_second:,.0f}" for scale in found],
        "  DuckDB alone": [f"{scale.ingest.duckdb_floor_seconds:.2f}" for scale in found],
    }
    turns = {"first generation": [scale.first for scale in found], "turn": [scale.turn for scale in found]}
    if beside := [scale.beside for scale in found if scale.beside]:
        turns[f"turn beside {beside[0].old:,}"] = [one.turn for one in beside]
    for name, costs in turns.items():
        rows[name] = [_cost(cost) for cost in costs]
        rows[f"  stages of {name}"] = [f"{sum(cost.stages.values()):.2f}" for cost in costs]
        for stage in costs[0].stages:
            rows[f"    {name}: {stage}"] = [f"{cost.stages.get(stage, 0.0):.2f}" for cost in costs]
    return rows | {"refresh (work alone)": [_cost(scale.refresh) for scale in found]}


def _cost(cost: Ingest | TurnCost | Refresh) -> str:
    return f"{cost.seconds:.2f} ({cost.peak_gib:.2f})"


if __name__ == "__main__":
    typer.run(main)
