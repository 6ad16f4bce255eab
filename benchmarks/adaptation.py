"""How fast and how cheaply does the model follow the world? A prequential benchmark of adaptation.

Every slot of an impression log is predicted before its outcomes are known, then learned. All arms see the same
slots: a frozen network, the same with ReLoop2's memory as published, with each view of ours, with all of them
under learned trust; warm starts; retraining from nothing; and both together.

    python -m benchmarks.adaptation --source movietweetings
    python -m benchmarks.adaptation --source kuairand --data impressions.parquet --slot 1000
    python -m benchmarks.adaptation --slot day --stateless-every 1 --rows 25000    # the cost of keeping up daily

Protocol: Gama et al. 2013 (prequential evaluation); the arms' sources stand in their modules.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.adaptation_arms import Schedule
from benchmarks.adaptation_log import read
from benchmarks.adaptation_measure import Figures, as_json, mean_over_seeds
from benchmarks.adaptation_page import page
from benchmarks.adaptation_replay import Done, Plan, replay, slot_starts
from components.domain import SECOND, ContractBroken
from components.pages.page import write_page

WIDTH = 112
"""Characters of the table; a narrower terminal wraps it rather than losing figures."""
QUICK_ROWS = 6_000
"""Rows of the stretch that `--quick` replays."""
SLOTS = {"movietweetings": "100", "kuairand": "1000"}
"""Slots of the figures that are reported for a source; others: 100 rows."""


def schedules(stateless_every: float, full: bool) -> tuple[Schedule, ...]:
    """The schedules of the arms; `full` adds the shorter windows of retraining."""
    windows = (7, 14, 28) if full else (28,)
    return (
        Schedule("frozen"),
        Schedule("warm-day", every=1),
        Schedule("warm-week", every=7),
        Schedule("warm-day-reloop-loss", every=1, reloop_alpha=0.2),
        *(Schedule(f"stateless-{days}d", every=stateless_every, window=days) for days in windows),
    )


def main(
    source: Annotated[str, typer.Option(help="A shipped source, or a .toml description.")] = "movietweetings",
    data: Annotated[Path | None, typer.Option(help="The log, if it does not ship with the source.")] = None,
    pretrain: Annotated[str | None, typer.Option(help="Pre-training stretch: 8w, 4d; or the source's.")] = None,
    slot: Annotated[str | None, typer.Option(help="Rows per slot, or hour, day, week.")] = None,
    delay: Annotated[float, typer.Option(help="Seconds until an outcome is known.", min=0)] = 0.0,
    seeds: Annotated[int, typer.Option(help="Runs to average.", min=1)] = 1,
    stateless_every: Annotated[float, typer.Option(help="Days between retrainings from nothing.", min=0.1)] = 7.0,
    full: Annotated[bool, typer.Option(help="All retraining windows, and the slow views.")] = False,
    limit: Annotated[int | None, typer.Option("--rows", help="The first rows of the stretch only.", min=1)] = None,
    quick: Annotated[bool, typer.Option(help=f"Short for --rows {QUICK_ROWS}.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for <source>.json and <source>.html.")] = None,
    as_text: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Replay a log against all arms."""
    torch.set_num_threads(1)
    screen = Console(stderr=True)
    try:
        log = read(source, data, pretrain)
        slot = _slot(slot or SLOTS.get(log.name, "100"))
    except ContractBroken as error:
        screen.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    began = perf_counter()
    rows = min(len(log) - log.pretrain, QUICK_ROWS if quick else limit or len(log))
    plan = Plan(
        log,
        slot_starts(log, slot, log.pretrain + rows),
        int(delay * SECOND),
        0,
        schedules(stateless_every, full),
        full,
    )
    runs = _run(plan, seeds, screen)
    arms = {name: mean_over_seeds([run[i].figures for run in runs]) for i, name in enumerate(d.name for d in runs[0])}
    report = {
        "source": log.name,
        "slot": slot,
        "rows": rows,
        "pretrain_rows": log.pretrain,
        "delay": delay,
        "seeds": seeds,
        "stateless_every_days": stateless_every,
        "seconds": round(perf_counter() - began, 1),
        "arms": {name: as_json(figures) for name, figures in arms.items()},
    }
    if out is not None:
        write_page(out / f"{log.name}.html", page(log, plan.starts, arms, runs[0]))
        write_page(out / f"{log.name}.json", json.dumps(report, indent=1) + "\n")
        screen.print(f"{out / log.name}.json, {out / log.name}.html")
    if as_text:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _show(log.name, rows, arms)


def _show(name: str, rows: int, arms: dict[str, Figures]) -> None:
    screen = Console()
    screen.width = max(screen.width, WIDTH)
    screen.print(_table(name, rows, arms))
    screen.print(_cost(arms))


def _run(plan: Plan, seeds: int, screen: Console) -> list[list[Done]]:
    """Seeds 0, 1, ... of a plan."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("")

        def say(seed: int, what: str) -> None:
            progress.update(task, description=f"seed {seed + 1} of {seeds}, {what}")

        return [replay(replace(plan, seed=seed), partial(say, seed)) for seed in range(seeds)]


def _slot(slot: str) -> str:
    if slot in ("hour", "day", "week") or (slot.isdigit() and int(slot) > 0):
        return slot
    raise ContractBroken(f"received slot {slot!r}; allowed are a number of rows, hour, day or week")


def _table(name: str, rows: int, arms: dict[str, Figures]) -> Table:
    table = Table(title=f"{name}: {rows:,} rows, each predicted before its outcome was known")
    table.add_column("arm", no_wrap=True)
    heads = ("AUC", "loss", "ECE", "gAUC", "examples", "train s", "MB", "read us", "write us")
    for head in heads:
        table.add_column(head, justify="right")
    best = max(f.auc for f in arms.values())
    for arm, f in arms.items():
        cells = (
            f"{f.auc:.4f}",
            f"{f.log_loss:.4f}",
            f"{f.ece:.4f}",
            "" if np.isnan(f.gauc) else f"{f.gauc:.4f}",
            f"{f.examples:,.0f}",
            f"{f.train_seconds:.1f}",
            f"{f.memory_bytes / 1e6:.1f}",
            f"{f.read_us:.1f}",
            f"{f.write_us:.1f}",
        )
        table.add_row(arm, *cells, style="bold" if f.auc == best else None)
    return table


def _cost(arms: dict[str, Figures]) -> str:
    """What keeping up has cost after pre-training: warm starts against retraining on the longest window."""
    ours, theirs = arms["warm-day"], arms["stateless-28d"]
    if not theirs.update_examples or not ours.update_examples:
        return "no retraining fell into the stretch"
    return (
        f"warm-day against stateless-28d: {theirs.update_examples / ours.update_examples:.0f} times fewer examples and "
        f"{theirs.update_seconds / ours.update_seconds:.0f} times fewer seconds after pre-training, "
        f"AUC {ours.auc:.4f} against {theirs.auc:.4f}"
    )


def cli() -> None:
    """The command."""
    typer.run(main)


if __name__ == "__main__":
    cli()
