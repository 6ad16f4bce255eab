"""What an ingest brought, on screen."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from components.domain import Window

if TYPE_CHECKING:
    from warehouse.append import Batch


def show_ingested(batches: "Sequence[Batch]", refused: Sequence[str], windows: Sequence[Window]) -> None:
    """The sums over all files, how they were read, and a line for everything that was not taken, or mended."""
    rows, known, left = (sum(getattr(b, of) for b in batches) for of in ("rows", "duplicates", "set_aside"))
    typer.echo(f"{rows + left} rows received, {rows - known} new, {known} here already, {left} set aside")
    for way, files in Counter(batch.read_as for batch in batches if batch.read_as != "Parquet").items():
        typer.echo(f"read as {way}" + (f" ({files} files)" if len(batches) > 1 else ""))
    if gone := sum(batch.left_out for batch in batches):
        typer.echo(f"  left out: {gone} impressions of days that were pruned, see [retention]; a new home takes them")
    for fault in (fault for batch in batches for fault in batch.faults):
        typer.echo(f"  set aside: {fault}")
    for line in refused:
        typer.echo(f"  refused: {line}")
    for window in windows:
        typer.echo(f"mended: {window}; the next turn learns it: evercurrent loop")
