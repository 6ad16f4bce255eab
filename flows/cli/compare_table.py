"""What a person sees of a comparison."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.evaluate.paired_turns import PairedTurns
from flows.replay.comparison import Compared, Comparison

HEADS = ("candidate", "AUC", "points\nfrom first", "log loss", "nats\nfrom first", "value", "update\ns", "MB")


def show_comparison(made: Comparison) -> None:
    """One line per candidate: means over turns, differences with their intervals, what it costs; then the sentence."""
    console = Console()
    title = f"{made.source}, {made.turns} turns: the period after each, champion with memory"
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in HEADS:
        table.add_column(name, justify="left" if name == "candidate" else "right", no_wrap=True)
    for one in made.candidates:
        table.add_row(*_cells(one))
    console.print(table)
    console.print(
        f"intervals: each {made.level:.1%}, all together 95 %, paired by turn; value: true, of challengers", style="dim"
    )
    console.print(escape(made.said), style="bold", soft_wrap=True)
    for one in made.candidates:
        console.print(f"{escape(one.name)}  {one.report}", soft_wrap=True)


def _cells(one: Compared) -> tuple[str, ...]:
    auc, loss = one.auc.champion_with_memory, one.log_loss.champion_with_memory
    return (
        escape(one.name),
        _figure(auc, ".4f"),
        _difference(one.auc_difference, 100, "+.1f"),
        _figure(loss, ".4f"),
        _difference(one.log_loss_difference, 1, "+.4f"),
        _figure(one.value, ".3f"),
        f"{one.learning_seconds:.1f}",
        f"{one.bundle_bytes / 1e6:.1f}",
    )


def _figure(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def _difference(found: PairedTurns | None, by: float, how: str) -> str:
    if found is None:
        return "-"
    mean = format(by * found.mean, how)
    if found.lower is None or found.upper is None:
        return mean
    said = f"{mean} ± {by * (found.upper - found.mean):{how[1:]}}"
    return f"[bold]{said}[/bold]" if found.shown else said
