"""How fast and how cheaply does the model follow the world? A prequential benchmark of adaptation.

Every slot of an impression log is predicted before its outcomes are known, then learned. All arms see the same
slots: a frozen network, the same with ReLoop2's memory as published, with each view of ours, with all of them
under learned trust; warm starts; retraining from nothing; and both together.

    python -m benchmarks.adaptation --source movietweetings
    python -m benchmarks.adaptation --source kuairand --data impressions.parquet --slot 1000
    python -m benchmarks.adaptation --slot day --stateless-every 1 --rows 25000    # the cost of keeping up daily
    python -m benchmarks.adaptation --seeds 5 --engine auto                        # seeds side by side, on Ray

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

from benchmarks.adaptation_measure import Figures, as_json, mean_over_seeds
from benchmarks.adaptation_page import page
from benchmarks.adaptation_plan import AdaptationAsked, by_tasks
from benchmarks.adaptation_replay import Done, Plan, replay
from components.domain import EvercurrentError
from components.pages.page import write_page

WIDTH = 112
"""Characters of the table; a narrower terminal wraps it rather than losing figures."""
QUICK_ROWS = 6_000
"""Rows of the stretch that `--quick` replays."""


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
    engine: Annotated[
        str | None, typer.Option(help="A Ray cluster for the seeds but one, side by side: HOST:PORT, auto, own.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for <source>.json and <source>.html.")] = None,
    as_text: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Replay a log against all arms."""
    torch.set_num_threads(1)
    screen = Console(stderr=True)
    asked = AdaptationAsked(
        source=source,
        data=data,
        pretrain=pretrain,
        slot=slot,
        delay=delay,
        stateless_every=stateless_every,
        full=full,
        rows=QUICK_ROWS if quick else limit,
    )
    began = perf_counter()
    try:
        plan = asked.plan()
        done, runs = _run(plan, asked, seeds, engine, screen)
    except EvercurrentError as error:
        screen.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    log, rows = plan.log, int(plan.starts[-1]) - plan.log.pretrain
    arms = {one.name: mean_over_seeds([run[one.name] for run in runs]) for one in done}
    report = {
        "source": log.name,
        "slot": asked.slot_of(log.name),
        "rows": rows,
        "pretrain_rows": log.pretrain,
        "delay": delay,
        "seeds": seeds,
        "stateless_every_days": stateless_every,
        "seconds": round(perf_counter() - began, 1),
        "arms": {name: as_json(figures) for name, figures in arms.items()},
    }
    if out is not None:
        write_page(out / f"{log.name}.html", page(log, plan.starts, arms, done))
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


def _run(
    plan: Plan, asked: AdaptationAsked, seeds: int, engine: str | None, screen: Console
) -> tuple[list[Done], list[dict[str, Figures]]]:
    """Seed 0 of a plan, arm by arm, and the figures of all: the others one after the other, or by a cluster."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("")

        def say(seed: int, what: str) -> None:
            progress.update(task, description=f"seed {seed + 1} of {seeds}, {what}")

        first = replay(plan, partial(say, 0))
        figures = [{one.name: one.figures for one in first}]
        if engine is not None and seeds > 1:
            return first, figures + by_tasks(asked, seeds - 1, engine)
        for seed in range(1, seeds):
            figures.append({one.name: one.figures for one in replay(replace(plan, seed=seed), partial(say, seed))})
    return first, figures


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
