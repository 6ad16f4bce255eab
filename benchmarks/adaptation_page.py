"""The benchmark as a page: the table, AUC over time, cost against AUC, trust, calibration."""

import numpy as np

from benchmarks.adaptation_log import Log
from benchmarks.adaptation_measure import Figures
from benchmarks.adaptation_replay import Done
from components.auc import auc
from components.domain import Ints, iso
from components.pages.blocks import Column, Figure, Row, Section, Table, Text, Tone
from components.pages.figures import REFERENCE, SERIES, Axis, Ink, Series
from components.pages.page import render

SHOWN = ("frozen", "frozen+reloop2-gamma0", "frozen+memory", "warm-day", "warm-day+memory", "stateless-28d")
"""Arms drawn over time; all are in the table."""
COLOURS: dict[str, Ink] = {name: SERIES[i - 1] if i else REFERENCE for i, name in enumerate(SHOWN)}
TRUST = "Stacking weights of the memory on the frozen network; 0: not used. The weight of the network starts at 1."
POINTS = 26
"""Points of a curve over time."""


def page(log: Log, starts: Ints, arms: dict[str, Figures], run: list[Done]) -> str:
    """HTML of the figures of all seeds and the curves of the first."""
    first, stop = int(starts[0]), int(starts[-1])
    span = f"{iso(int(log.data.examples.at[first]))} to {iso(int(log.data.examples.at[stop - 1]))}"
    drawn = [d for d in run if d.name in SHOWN]
    at, reward = log.data.examples.at[first:stop], log.data.reward[first:stop]
    figures = [
        _over_time(drawn, at, reward),
        _cost(arms),
        _trust(run),
        _calibration(drawn, reward),
    ]
    said = Text(("Every slot is predicted before its outcomes are known. Nothing was tuned on this stretch.",))
    return render(
        f"Adaptation on {log.name}",
        f"{stop - first:,} impressions, {span}",
        [Section("Arms", [said, _table(arms)]), Section("Curves", figures)],
    )


def _table(arms: dict[str, Figures]) -> Table:
    best = max(f.auc for f in arms.values())
    heads = [("AUC", ".4f"), ("\N{PLUS-MINUS SIGN}", ".4f"), ("log loss", ".4f"), ("ECE", ".4f"), ("gAUC", ".4f")]
    heads += [("examples", ",.0f"), ("training s", ".1f"), ("memory MB", ".1f"), ("read \u00b5s", ".1f")]
    heads += [("learn \u00b5s", ".1f")]
    rows = []
    for name, f in arms.items():
        quality = (f.auc, f.auc_spread, f.log_loss, f.ece, f.gauc)
        cost = (f.examples, f.train_seconds, f.memory_bytes / 1e6, f.read_us, f.write_us)
        rows.append(Row([name.replace("+", " + "), *quality, *cost], Tone.OK if f.auc == best else Tone.PLAIN))
    return Table([Column("arm"), *(Column(label, spec) for label, spec in heads)], rows)


def _over_time(done: list[Done], at: Ints, reward: np.ndarray) -> Figure:
    parts = np.array_split(np.arange(len(at)), POINTS)
    when = [int(at[p[0]]) for p in parts]
    series = [
        Series(d.name, when, [auc(reward[p], d.arm.probability[p]) for p in parts], COLOURS[d.name]) for d in done
    ]
    caption = "Each point: the rows of an equal share of the stretch."
    return Figure("AUC over time", Axis("time, UTC", time=True), Axis("AUC"), series, caption, 340)


def _cost(arms: dict[str, Figures]) -> Figure:
    series = [
        Series(name, [f.train_seconds], [f.auc], COLOURS.get(name, SERIES[-1]), "marks") for name, f in arms.items()
    ]
    caption = "Seconds of training against AUC, all arms; the memory's own time is in the table."
    axes = Axis("seconds of training (log scale)", log=True), Axis("AUC")
    return Figure("Cost against quality", *axes, series, caption, 320)


def _trust(run: list[Done]) -> Figure:
    trust = next(d.arm.trust for d in run if d.name == "frozen+memory")
    when = [now for now, _ in trust]
    series = [
        Series(first.signal, when, [report.weights[i].weight for _, report in trust], SERIES[i % len(SERIES)])
        for i, first in enumerate(trust[0][1].weights if trust else ())
    ]
    axes = Axis("time, UTC", time=True), Axis("stacking weight")
    return Figure("Trust in the signals of the memory", *axes, series, TRUST)


def _calibration(done: list[Done], reward: np.ndarray) -> Figure:
    series = [Series("calibrated", [0, 1], [0, 1], REFERENCE, dashed=True)]
    for d in done:
        p = d.arm.probability
        bins = np.array_split(np.argsort(p, kind="stable"), 20)
        x, y = [float(p[b].mean()) for b in bins], [float(reward[b].mean()) for b in bins]
        series.append(Series(d.name, x, y, COLOURS[d.name]))
    caption = "Observed share of positives against the prediction."
    axes = Axis("mean predicted probability"), Axis("observed share of positives")
    return Figure("Calibration", *axes, series, caption, 340)
