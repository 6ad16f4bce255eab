"""The benchmark as a page: the table, AUC over time, cost against AUC, trust, calibration."""

from typing import Any

import numpy as np

from benchmarks.adaptation_log import Log
from benchmarks.adaptation_measure import Figures
from benchmarks.adaptation_replay import Done
from components.auc import auc
from components.domain import Ints, iso
from components.pages.blocks import Column, Figure, Row, Section, Table, Text, Tone
from components.pages.figures import REFERENCE, SERIES, blank
from components.pages.page import render

SHOWN = ("frozen", "frozen+reloop2-gamma0", "frozen+memory", "warm-day", "warm-day+memory", "stateless-28d")
"""Arms drawn over time; all are in the table."""
COLOURS = {name: SERIES[i - 1] if i else REFERENCE for i, name in enumerate(SHOWN)}
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
        Figure(
            "AUC over time",
            _over_time(drawn, at, reward),
            "Each point: the rows of an equal share of the stretch.",
            380,
        ),
        Figure(
            "Cost against quality",
            _cost(arms),
            "Seconds of training against AUC, all arms; the memory's own time is in the table.",
            360,
        ),
        Figure("Trust in the signals of the memory", _trust(run), TRUST),
        Figure("Calibration", _calibration(drawn, reward), "Observed share of positives against the prediction.", 380),
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


def _over_time(done: list[Done], at: Ints, reward: np.ndarray) -> Any:
    figure = blank("time, UTC", "AUC")
    parts = np.array_split(np.arange(len(at)), POINTS)
    when = [iso(int(at[p[0]])) for p in parts]
    for d in done:
        values = [auc(reward[p], d.arm.probability[p]) for p in parts]
        figure.add_scatter(x=when, y=values, name=d.name, mode="lines+markers", line={"color": COLOURS[d.name]})
    return figure


def _cost(arms: dict[str, Figures]) -> Any:
    figure = blank("seconds of training (log scale)", "AUC")
    figure.add_scatter(
        x=[f.train_seconds for f in arms.values()],
        y=[f.auc for f in arms.values()],
        text=[name if name in SHOWN else "" for name in arms],
        hovertext=list(arms),
        mode="markers+text",
        textposition="middle right",
        marker={"size": 9, "color": [COLOURS.get(name, SERIES[-1]) for name in arms]},
        hovertemplate="%{hovertext}<br>%{x:.1f} s, AUC %{y:.4f}<extra></extra>",
    )
    spent = [f.train_seconds for f in arms.values()]
    figure.update_xaxes(type="log", range=np.log10([0.8 * min(spent), 2.2 * max(spent)]).tolist())
    return figure


def _trust(run: list[Done]) -> Any:
    figure = blank("time, UTC", "stacking weight")
    trust = next(d.arm.trust for d in run if d.name == "frozen+memory")
    when = [iso(now) for now, _ in trust]
    for i, first in enumerate(trust[0][1].weights if trust else ()):
        weights = [report.weights[i].weight for _, report in trust]
        figure.add_scatter(x=when, y=weights, name=first.signal, mode="lines")
    return figure


def _calibration(done: list[Done], reward: np.ndarray) -> Any:
    figure = blank("mean predicted probability", "observed share of positives")
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": REFERENCE, "dash": "dot"}, showlegend=False)
    for d in done:
        p = d.arm.probability
        bins = np.array_split(np.argsort(p, kind="stable"), 20)
        x, y = [float(p[b].mean()) for b in bins], [float(reward[b].mean()) for b in bins]
        figure.add_scatter(x=x, y=y, name=d.name, mode="lines+markers", line={"color": COLOURS[d.name]})
    return figure
