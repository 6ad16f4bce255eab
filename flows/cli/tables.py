"""What a person sees of a run: progress while it goes, tables at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from components.evaluate.evaluation import earned_in
from flows import progress
from flows.live.simulate_record import SimulateRecord
from flows.replay.replay_record import Arms, ReplayRecord, ReplayTurn, mean_arms
from flows.turn import TurnRecord

STYLES = {"PROMOTE": "green", "HOLD": "yellow", "ROLL_BACK": "red"}


@contextmanager
def watched(quiet: bool) -> Iterator[Progress]:
    """Show turn and stage on stderr while the block runs: a bar, or lines without a terminal; none if `quiet`."""
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
            if words[0] != "turn":
                bar.update(shown, stage=stage)
                return
            bar.update(shown, description=stage, completed=int(words[1]), total=int(words[3]) + 1, stage="")
            if not quiet and not console.is_terminal:
                console.print(stage)

        with progress.watched_by(watcher):
            yield bar


def show(record: ReplayRecord, home: Path) -> None:
    """The tables of a replay, what the time went into, and what to do next."""
    console = Console()
    for table in (_loop(record), _freshness(record), _values(record)):
        console.print(table)
    console.print(f"[dim]{record.caveat}[/dim]")
    spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in record.stage_seconds.items())
    share = f"{record.orchestration_share:.0%} of it orchestration"
    console.print(f"\nseconds  {record.seconds:.1f} in all, {share}; stages: {spent}")
    console.print(f"digest   {record.digest[:16]}")
    console.print(f"report   {record.report}", soft_wrap=True)
    console.print(f"serve    evercurrent serve --home {home}   # generation {record.champion}", soft_wrap=True)


def show_turn(record: TurnRecord, folder: Path) -> None:
    """One turn of the loop in a few lines; its reports lie in `folder`."""
    console = Console()
    style = STYLES[record.verdict]
    console.print(
        f"turn {record.cutoff}: [{style}]{record.verdict}[/{style}], champion is generation {record.champion} "
        f"({record.requests} requests, {record.accepted} impressions accepted, {record.quarantined} rows quarantined, "
        f"drift action {record.drift_action})"
    )
    for reason in (*record.reasons, *record.notices):
        console.print(f"  {reason}", soft_wrap=True)
    console.print(f"reports  {folder}", soft_wrap=True)


def show_simulated(record: SimulateRecord) -> None:
    """What users earned from each generation, and how to go on."""
    console = Console()
    names = ("generation", "requests", "earned", "95 %", "random", "best", "share of the room", "above frozen")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right")
    for g in record.generations:
        figures = (f"{g.earned:.4f}", f"± {g.half:.4f}", f"{g.random:.4f}", f"{g.oracle:.4f}")
        gain = "-" if g.gain is None else f"{g.gain:+.4f} ± {g.gain_half:.4f}"
        table.add_row(str(g.generation), str(g.requests), *figures, "-" if g.share is None else f"{g.share:.1%}", gain)
    console.print(
        f"{record.requests} requests and {record.outcomes} outcomes in {record.seconds:.1f} s, {record.retried} calls "
        "made again; "
        f"reward of the {record.choices} with something to choose:",
        soft_wrap=True,
    )
    console.print(table)
    done = record.skipped + record.requests
    console.print(f"played the log to {record.until}; to go on: --since {record.since} --skip {done}", soft_wrap=True)


def _loop(record: ReplayRecord) -> Table:
    table = _table(
        "what the loop did", ("week to", "gen", "requests", "shown", "accepted", "quarantined", "ids +", "ids -", "s")
    )
    for t in record.turns:
        counts = (t.generation, t.requests, t.impressions, t.accepted, t.quarantined, t.ids_grown, t.ids_expired)
        table.add_row(_day(t), *map(str, counts), f"{sum(t.seconds.values()):.1f}")
    return table


def _freshness(record: ReplayRecord) -> Table:
    title = "the week after: every interaction scored before its outcome was known"
    arms = ("frozen", "champion", "+ memory")
    table = _table(title, ("week to", *(f"AUC\n{a}" for a in arms), *(f"log loss\n{a}" for a in arms)))
    for t in record.turns:
        table.add_row(_day(t), *_arms(t.auc), *_arms(t.log_loss))
    table.add_section()
    table.add_row("mean", *_means([t.auc for t in record.turns]), *_means([t.log_loss for t in record.turns]))
    return table


def _values(record: ReplayRecord) -> Table:
    title = f"policy value of the challenger, expected {earned_in(record.unit)} held out"
    table = _table(title, ("week to", "drift", "estimate [95 %]", "true", "random", "oracle", "verdict"))
    for t in record.turns:
        v, style = t.value, STYLES[t.verdict]
        estimate = "-" if v.estimate is None else f"{v.estimate:.3f} [{v.lower:.3f}, {v.upper:.3f}]"
        known = ("-" if x is None else f"{x:.3f}" for x in (v.true, v.random, v.oracle))
        table.add_row(_day(t), t.drift_action, estimate, *known, f"[{style}]{t.verdict}[/{style}]")
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("week to", "drift", "verdict") else "right", no_wrap=True)
    return table


def _day(turn: ReplayTurn) -> str:
    return turn.cutoff[:10]


def _arms(arms: Arms) -> list[str]:
    return ["-" if f is None else f"{f:.4f}" for f in (arms.frozen, arms.champion, arms.champion_with_memory)]


def _means(arms: list[Arms]) -> list[str]:
    return _arms(mean_arms(arms))
