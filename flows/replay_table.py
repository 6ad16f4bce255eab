"""What a person sees of a run: progress while it goes, a table at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from flows import progress
from flows.replay_record import Arms, ReplayRecord, ReplayTurn
from flows.turn import TurnRecord

CAPTION = (
    "AUC and log loss: frozen / champion / champion with memory, on all interactions of the next period, "
    "each scored before its outcome is known"
)
STYLES = {"PROMOTE": "green", "HOLD": "yellow", "ROLL_BACK": "red"}


@contextmanager
def watched(quiet: bool) -> Iterator[None]:
    """Show turn and stage on stderr while the block runs; nothing if `quiet`."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<14}"),
        BarColumn(24),
        TextColumn("{task.fields[stage]:<10}"),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
    with bar:
        shown = bar.add_task("starting", total=None, stage="")

        def watcher(stage: str) -> None:
            words = stage.split()
            if words[0] == "turn":
                bar.update(shown, description=stage, completed=int(words[1]), total=int(words[3]) + 1, stage="")
            else:
                bar.update(shown, stage=stage)

        with progress.watched_by(watcher):
            yield


def show(record: ReplayRecord, home: Path) -> None:
    """The table of a replay, what the time went into, and what to do next."""
    console = Console()
    console.print(_table(record))
    console.print(f"[dim]{record.caveat}[/dim]")
    spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in record.stage_seconds.items())
    share = f"{record.orchestration_share:.0%} of it orchestration"
    console.print(f"\nseconds: {record.seconds:.1f} in all, {share} ({spent})")
    console.print(f"digest:  {record.digest[:16]}")
    console.print(f"report:  {record.report}", soft_wrap=True)
    console.print(f"serve:   evercurrent serve --home {home}  # generation {record.champion}", soft_wrap=True)


def show_turn(record: TurnRecord, home: Path) -> None:
    """One turn of the loop in a few lines."""
    console = Console()
    style = STYLES[record.verdict]
    console.print(
        f"turn {record.cutoff}: [{style}]{record.verdict}[/{style}], champion is generation {record.champion} "
        f"({record.requests} requests, {record.accepted} impressions accepted, {record.quarantined} rows quarantined)"
    )
    for reason in record.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    console.print(f"reports: {home / 'turns'}", soft_wrap=True)


def _table(record: ReplayRecord) -> Table:
    table = Table(title=f"{record.source}: one line per turn", caption=CAPTION, header_style="bold")
    for name in ("cutoff", "gen", "requests", "shown", "accepted\nquarantined", "drift", "ids\n+ / -"):
        table.add_column(name, justify="left" if name in ("cutoff", "drift") else "right")
    for name in ("AUC", "log loss", "value [95 %]", "true", "verdict", "s"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for turn in record.turns:
        table.add_row(*_cells(turn))
    return table


def _cells(turn: ReplayTurn) -> list[str]:
    value, style = turn.value, STYLES[turn.verdict]
    return [
        turn.cutoff[:10],
        str(turn.generation),
        str(turn.requests),
        str(turn.impressions),
        f"{turn.accepted}\n{turn.quarantined}",
        turn.drift_action,
        f"{turn.ids_grown}\n{turn.ids_expired}",
        _arms(turn.auc),
        _arms(turn.log_loss),
        "-" if value.estimate is None else f"{value.estimate:.3f}\n[{value.lower:.3f}, {value.upper:.3f}]",
        "-" if value.true is None else f"{value.true:.3f}",
        f"[{style}]{turn.verdict}[/{style}]",
        f"{sum(turn.seconds.values()):.1f}",
    ]


def _arms(arms: Arms) -> str:
    figures = (arms.frozen, arms.champion, arms.champion_with_memory)
    return "\n".join("-" if f is None else f"{f:.4f}" for f in figures)
