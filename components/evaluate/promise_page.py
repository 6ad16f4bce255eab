"""The section on the gate's own calibration: promise and outcome of every release."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.evaluate.estimate import Estimate
from components.evaluate.promise import Promise, calibration
from components.pages.blocks import Badge, Block, Cell, Column, Figure, Row, Section, Table, Text, Tone
from components.pages.figures import REFERENCE, SERIES, blank

if TYPE_CHECKING:
    pass

WORDS = (
    "What the gate promised of each release before it answered anybody, and what its own requests earned since: "
    "a mean, no weights. The promise is for the time it was judged on and without what its memory learned "
    "later, so gaps that all point one way are the gate's calibration, or the times that changed."
)
TOLD = {None: Badge("too early", Tone.PLAIN), True: Badge("kept", Tone.OK), False: Badge("not kept", Tone.WARN)}


def promise_section(promises: Sequence[Promise], earned: str) -> Section:
    """Table and figure; `earned` names what values are told in."""
    known = [p for p in promises if p.earned is not None]
    blocks: list[Block] = [Text([WORDS, calibration(promises)])]
    if known:
        blocks.append(_figure(known, earned))
    columns: list[Column | str] = ["generation", "promised", "earned", "earned - promised", "requests", ""]
    blocks.append(Table(columns, [_row(p) for p in promises], "Each with its 95 % interval."))
    return Section("Promise and outcome", blocks)


def _row(p: Promise) -> Row:
    told: list[Cell] = [_told(p.promised, ".4f"), _told(p.earned, ".4f"), _told(p.gap, "+.4f")]
    return Row([p.generation, *told, p.requests, TOLD[p.kept]])


def _told(x: Estimate | None, spec: str) -> str:
    if x is None:
        return "-"
    ends = f"{x.lower:{spec}} to {x.upper:{spec}}" if np.isfinite(x.lower) else "no interval"
    return f"{x.value:{spec}} ({ends})"


def _figure(known: Sequence[Promise], earned: str) -> Figure:
    drawn = blank(f"promised, {earned}", f"earned, {earned}")
    ends = [end for p in known for x in (p.promised, p.earned) if x for end in (x.lower, x.upper, x.value)]
    low, high = np.nanmin(ends), np.nanmax(ends)
    line = {"color": REFERENCE, "dash": "dot"}
    drawn.add_scatter(x=[low, high], y=[low, high], mode="lines", name="as promised", line=line)
    promised, outcome = [p.promised for p in known], [p.earned for p in known if p.earned]
    drawn.add_scatter(
        x=[x.value for x in promised],
        y=[x.value for x in outcome],
        error_x=_whiskers(promised),
        error_y=_whiskers(outcome),
        text=[f"generation {p.generation}" for p in known],
        mode="markers",
        name="releases",
        marker={"color": SERIES[0], "size": 9},
    )
    return Figure("Promise and outcome of each release", drawn)


def _whiskers(values: Sequence[Estimate]) -> "dict[str, object]":
    above = [x.upper - x.value if np.isfinite(x.upper) else 0.0 for x in values]
    below = [x.value - x.lower if np.isfinite(x.lower) else 0.0 for x in values]
    return {"type": "data", "array": above, "arrayminus": below, "thickness": 1.2, "width": 0}
