"""The section of an evaluation's page on slates: what each position earns, and other assumptions on users."""

import numpy as np

from components.evaluate.estimate import Estimate
from components.evaluate.evaluation import Evaluation, OtherModel
from components.evaluate.slates import ASSUMED
from components.pages.blocks import Block, Cell, Column, Row, Section, Table, Text


def slate_section(e: Evaluation) -> Section:
    """Values per position, and under the slate models that the gate did not read."""
    blocks: list[Block] = []
    value: list[Column | str] = [Column("value", ".4f"), "95 %", Column("difference", "+.4f"), "95 %"]
    if e.slots:
        rows = [Row([f"{s.position + 1}", *_figures(s.value, s.difference)]) for s in e.slots]
        caption = "Positions add up to the slate. Each interval is at 95 % for itself."
        blocks.append(Table(["position", *value], rows, caption))
    words = (
        f"The gate assumes the slate model {e.slate_model}: {ASSUMED[e.slate_model]}. What values would be under other "
        "assumptions: biased where the assumption is wrong, which no interval shows. The gate does not read them."
    )
    blocks += [Text([words]), Table(["if", *value], [_row(o) for o in e.other_models])]
    return Section("Slates", blocks)


def _row(o: OtherModel) -> Row:
    label = f"{o.model}: {o.assumed}"
    if o.value is None or o.difference is None:
        return Row([label, np.nan, o.absent, np.nan, ""])
    return Row([label, *_figures(o.value, o.difference)])


def _figures(value: Estimate, difference: Estimate) -> list[Cell]:
    return [value.value, _interval(value, ".4f"), difference.value, _interval(difference, "+.4f")]


def _interval(x: Estimate, spec: str) -> str:
    return f"{x.lower:{spec}} to {x.upper:{spec}}"
