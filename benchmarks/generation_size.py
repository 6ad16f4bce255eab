"""What a generation of many ids costs: to continue, to write, to load, to keep.

    python -m benchmarks.generation_size [--ids 1e5,1e6,1e7] [--days 3] [--repeats 3] [--json]

A model of 16-wide rows that has met so many ids learns days that touch one row in a hundred each, all over the table,
which is the worst case for what shares pages. Every step runs in a process of its own, seconds are medians over days
and repeats, bytes are those the disk holds (a file with several names counts once).
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.generation_work import TOUCHED
from benchmarks.scale_process import Ended, measured
from components.domain import EvercurrentError
from components.publish.manifest import bundle_name
from flows.site.disk_use import size_of
from flows.workspace import scratch

LEAST, MOST = 1_000, 20_000_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class GenerationCost:
    """Of one number of ids.

    Attributes
    ----------
    whole_* : the first generation, which is written whole; the others are medians over the days after it.
    continue_seconds : reading the parent's checkpoint, every digest checked. warm_start_seconds : learning a day.
    warm_start_microseconds_per_row : the same for each row that the day touches.
    *_own_mib : memory a process has for itself after a day, or with a bundle loaded, beyond what it had before;
        *_own_bytes_per_row : for each row of the table. *_peak_gib : the most it held, pages of files included.
    *_bytes : what a generation's checkpoint and bundle take on the disk together, beyond those before it.
    """

    ids: int
    whole_write_seconds: float
    whole_load_seconds: float
    whole_bytes: int
    continue_seconds: float
    warm_start_seconds: float
    warm_start_microseconds_per_row: float
    checkpoint_write_seconds: float
    bundle_write_seconds: float
    load_seconds: float
    bytes: int
    day_own_mib: float
    day_own_bytes_per_row: float
    day_peak_gib: float
    serve_own_mib: float
    serve_own_bytes_per_row: float
    serve_peak_gib: float


def measure(ids: int, days: int, repeats: int, home: Path) -> GenerationCost:
    """Make a generation, let days pass, serve the last."""
    seen: set[tuple[int, int]] = set()
    first = _step("first", home, ids, 1)
    whole_bytes = _kept(home, 1, seen)
    whole = [_step("serve", home, ids, 1)[0]["load_seconds"] for _ in range(repeats)]
    passed, sizes = [], []
    for day in range(days):
        passed.append(_step("day", home, ids, 2 + day))
        sizes.append(_kept(home, 2 + day, seen))
    served = [_step("serve", home, ids, 1 + days) for _ in range(repeats)]
    day_mib, serve_mib = _median(passed, "own_mib"), _median(served, "own_mib")
    warm = _median(passed, "warm_start_seconds")
    return GenerationCost(
        ids=ids,
        whole_write_seconds=first[0]["checkpoint_write_seconds"] + first[0]["bundle_write_seconds"],
        whole_load_seconds=median(whole),
        whole_bytes=whole_bytes,
        continue_seconds=_median(passed, "continue_seconds"),
        warm_start_seconds=warm,
        warm_start_microseconds_per_row=warm / (ids * TOUCHED) * 1e6,
        checkpoint_write_seconds=_median(passed, "checkpoint_write_seconds"),
        bundle_write_seconds=_median(passed, "bundle_write_seconds"),
        load_seconds=_median(served, "load_seconds"),
        bytes=round(median(sizes)),
        day_own_mib=day_mib,
        day_own_bytes_per_row=day_mib * MIB / ids,
        day_peak_gib=max(ended.peak_gib for _, ended in passed),
        serve_own_mib=serve_mib,
        serve_own_bytes_per_row=serve_mib * MIB / ids,
        serve_peak_gib=max(ended.peak_gib for _, ended in served),
    )


def _step(step: str, home: Path, ids: int, generation: int) -> tuple[dict[str, float], Ended]:
    ended = measured("benchmarks.generation_work", step, home, ids, generation)
    told: dict[str, float] = json.loads(ended.said)
    sys.stderr.write(f"{ids:,} ids, {step} {generation}: {ended.said}, {ended.peak_gib:.2f} GiB\n")
    return told, ended


def _kept(home: Path, generation: int, seen: set[tuple[int, int]]) -> int:
    folders = (home / kind / bundle_name(generation) for kind in ("checkpoints", "bundles"))
    return sum(size_of(folder, seen) for folder in folders)


def _median(steps: list[tuple[dict[str, float], Ended]], what: str) -> float:
    return median(told[what] for told, _ in steps)


def main(
    ids: Annotated[str, typer.Option(help="Ids that the model has met, by comma.")] = "1e5,1e6,1e7",
    days: Annotated[int, typer.Option(min=1, help="Days that pass.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Times a bundle is loaded.")] = 3,
    home: Annotated[Path | None, typer.Option(help="Keep the generations below this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure each number of ids in a fresh folder."""
    wanted = ids_of(ids)
    try:
        found = []
        for count in wanted:
            with scratch(None if home is None else home / str(count)) as folder:
                found.append(measure(count, days, repeats, folder))
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    if as_json:
        sys.stdout.write(json.dumps({"sizes": [asdict(cost) for cost in found]}, indent=1) + "\n")
    else:
        show(found)


def ids_of(text: str) -> list[int]:
    """Numbers of ids, as named.

    Raises
    ------
    typer.BadParameter
        If one is no number, or too small or too large to be measured.
    """
    try:
        counts = [int(float(count)) for count in text.split(",")]
    except (ValueError, OverflowError):
        counts = [0]
    if not all(LEAST <= count <= MOST for count in counts):
        raise typer.BadParameter(f"--ids is {text!r}; allowed are numbers from {LEAST:,} to {MOST:,}, by comma")
    return counts


def show(found: list[GenerationCost]) -> None:
    """A row for each figure, a column for each number of ids."""
    table = Table(title="a generation, by ids it has met")
    table.add_column("")
    for cost in found:
        table.add_column(f"{cost.ids:,}", justify="right")
    for name in list(asdict(found[0]))[1:]:
        values = [getattr(cost, name) for cost in found]
        table.add_row(name, *(f"{v:,}" if isinstance(v, int) else f"{v:.3f}" for v in values))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
