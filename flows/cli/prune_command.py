"""`evercurrent prune`: what nobody needs any more goes, or would go."""

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from flows.cli.entered import entered
from flows.cli.options import HOME, AsJson, HomeFolder
from flows.stack.beside import await_server

if TYPE_CHECKING:
    from flows.prune import Pruned
    from flows.prune_plan import Item


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, with sizes; touch nothing.")] = False,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Take away what `[retention]` does not keep: bundles, checkpoints, memories, turn folders, pages, runs, facts."""
    entered(home)
    from flows.prune import prune as take_away

    await_server()
    found = take_away(str(home), dry_run)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        _show(found)


def _show(found: "Pruned") -> None:
    from flows.site.disk_use import told

    console = Console()
    if found.items:
        table = Table(header_style="bold")
        for name in ("what", "how many", "size", "which", "why"):
            table.add_column(name, justify="right" if name in ("how many", "size") else "left")
        for (kind, why), group in _grouped(found.items):
            names = [item.path.rpartition("/")[2] for item in group]
            which = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            table.add_row(kind, str(len(names)), told(sum(item.bytes for item in group)), which, why)
        console.print(table)
    kept = ", ".join(f"{generation} ({why})" for generation, why in found.kept.items())
    console.print(f"kept: {kept or 'everything: no turn has been finished yet'}", soft_wrap=True)
    if found.facts_since is not None:
        console.print(f"facts since {found.facts_since} are kept: {found.facts_why}", soft_wrap=True)
    for day, why in found.facts_kept.items():
        console.print(f"facts of {day} are kept: {why}", soft_wrap=True)
    console.print(found.said, soft_wrap=True)


def _grouped(items: "Iterable[Item]") -> "Iterable[tuple[tuple[str, str], list[Item]]]":
    """Items by kind, and by why where that does not name the item itself."""
    for key, group in groupby(items, key=lambda item: (item.kind, _why(item))):
        yield key, list(group)


def _why(item: "Item") -> str:
    return "not needed any more" if item.generation is not None and item.kind != "memory" else item.why
