"""The section on the gate's own calibration: promise and outcome of every release."""

from collections.abc import Sequence

import numpy as np

from components.evaluate.estimate import Estimate
from components.evaluate.promise import Promise, calibration
from components.pages.blocks import Badge, Block, Cell, Column, Figure, Row, Section, Table, Text, Tone
from components.pages.figures import REFERENCE, SERIES, Axis, Ends, Series

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
    ends = [end for p in known for x in (p.promised, p.earned) if x for end in (x.lower, x.upper, x.value)]
    diagonal = [float(np.nanmin(ends)), float(np.nanmax(ends))]
    promised, outcome = [p.promised for p in known], [p.earned for p in known if p.earned]
    releases = Series(
        "releases",
        [x.value for x in promised],
        [x.value for x in outcome],
        SERIES[0],
        "marks",
        x_ends=_whiskers(promised),
        y_ends=_whiskers(outcome),
        names=[f"generation {p.generation}" for p in known],
    )
    series = [Series("as promised", diagonal, diagonal, REFERENCE, dashed=True), releases]
    axes = Axis(f"promised, {earned}"), Axis(f"earned, {earned}")
    return Figure("Promise and outcome of each release", *axes, series)


def _whiskers(values: Sequence[Estimate]) -> Ends:
    return [(x.lower, x.upper) if np.isfinite(x.lower) and np.isfinite(x.upper) else None for x in values]
