"""What the page draws beside the values: the weights' tail, ESS over time, values per segment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.domain import Bools, Doubles
from components.evaluate.by_user import collapsed
from components.evaluate.difference import Paired
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts, Terms
from components.evaluate.evaluation import EssAt, Segment, TailAt
from components.evaluate.intervals import Interval, signed_interval, skew_interval

POINTS = 40
"""Points of a drawn curve."""

SMALLEST_SEGMENT = 30
"""Users below which a segment is left out: its interval would say nothing."""


def ess_over_time(p: Parts) -> tuple[EssAt, ...]:
    """Running effective sample size at up to `POINTS` instants."""
    at = p.log.at[p.log.starts]
    order = slice(None) if (np.diff(at) >= 0).all() else np.argsort(at, kind="stable")
    w = p.whole[order]
    total, squares = np.cumsum(w), np.cumsum(w * w)
    points = np.unique(np.linspace(0, len(w) - 1, POINTS).astype(int))
    ess = total[points] ** 2 / np.maximum(squares[points], 1e-300)
    instants = at[order][points]
    return tuple(EssAt(int(t), int(i) + 1, float(e)) for t, i, e in zip(instants, points, ess, strict=True))


def weight_tail(p: Parts) -> tuple[TailAt, ...]:
    """Survival curve of the whole-slate weights at up to `POINTS` ranks, from all requests to the largest."""
    w = p.weight.request
    ranks = np.unique(np.geomspace(1, len(w), POINTS).astype(int))
    largest = np.partition(w, len(w) - ranks)[len(w) - ranks]
    return tuple(TailAt(float(v), float(r / len(w))) for v, r in zip(largest[::-1], ranks[::-1], strict=True))


def by_segment(segments: Mapping[str, np.ndarray], value: Terms, pair: Paired, alpha: float) -> tuple[Segment, ...]:
    """The relied-on value and the paired difference of each label of each column of `segments`, (m,) labels.

    All differences hold together with ``1 - alpha``, and all values do (Bonferroni): of many segments that are
    alike, none looks different by chance more often than the whole may.
    """
    told = [(column, label, labels == label) for column, labels in segments.items() for label in np.unique(labels)]
    cut = [(column, str(label), _Cut.of(value, pair, rows)) for column, label, rows in told]
    shown = [(column, label, c) for column, label, c in cut if len(c.earned) >= SMALLEST_SEGMENT]
    share = alpha / max(len(shown), 1)
    return tuple(
        Segment(
            column,
            label,
            c.requests,
            _mean(value.name, c.earned, skew_interval(c.earned, share)),
            _mean("paired", c.gained, signed_interval(c.gained, share)),
        )
        for column, label, c in shown
    )


@dataclass(frozen=True)
class _Cut:
    """Terms of the users of one segment: of the value, and of the paired difference."""

    requests: int
    earned: Doubles
    gained: Doubles

    @classmethod
    def of(cls, value: Terms, pair: Paired, rows: Bools) -> "_Cut":
        whose = None if value.cluster is None else np.unique(value.cluster[rows], return_inverse=True)[1]
        return cls(int(rows.sum()), collapsed(value.each[rows], whose), collapsed(pair.corrected[rows], whose))


def _mean(name: str, each: Doubles, bounds: Interval) -> Estimate:
    return Estimate(name, float(each.mean()), bounds.lower, bounds.upper, float(len(each)), bounds.kind)
