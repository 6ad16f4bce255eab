"""The numbers of a posterior view: mean and variance of every effect, and the loops that read and move them.

A row is ``[mean, variance, last, mark]`` side by side, 32 bytes, so that an effect is one trip to memory. Mean and
variance hold at the instant `last` (microseconds; exact in a double until the year 2255); what they are at another
is worked out on the way. `mark` numbers the distinct rows of a step while it is learned, and is 0 between steps.
The formulas stand in belief_view.py.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

from components.compiled import compiled, plain
from components.domain import Doubles, Floats, Ints
from components.memory.entities import Entities, Touched
from components.memory.view import grown
from components.shared_array import SharedArray

MEAN, VARIANCE, LAST, MARK = range(4)

LONG_AGO = -(2.0**62)
"""Instant of a row never written: everything about it is forgotten, so it reads its prior."""
UNWRITTEN = np.array([0.0, 1.0, LONG_AGO, 0.0])


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers to regress on: `target` (n,) with Gaussian noise of variance `noise`.

    A surprise beyond `clip` standard deviations counts as one of that size.
    """

    target: Doubles
    noise: float
    clip: float


class Posterior:
    """Posterior by row. `rows` in what follows are (n, J), -1 where there is none."""

    def __init__(self, entities: Entities, values: Doubles) -> None:
        """`values` (R, 4) as above."""
        self._prior, self._half_life = entities.variance, entities.half_life
        self._values = SharedArray(values)

    @classmethod
    def empty(cls, entities: Entities) -> "Posterior":
        """No rows."""
        return cls(entities, np.zeros((0, 4)))

    @property
    def values(self) -> Doubles:
        """(R, 4) as above, to read."""
        return self._values.array

    def copy(self) -> "Posterior":
        """An independent posterior with the same content; the rows are the same until either writes."""
        twin = copy(self)
        twin._values = self._values.copy()
        return twin

    def fit(self, rows: int) -> None:
        """Make room for `rows` rows."""
        if rows > len(self.values):
            self._values = SharedArray(grown(self.values, rows, UNWRITTEN))

    def fade(self, kept: float) -> None:
        """Take every mean back to a share of itself."""
        self._values.own()[:, MEAN] *= kept

    def at(self, touched: Touched, rows: Ints, at: Ints) -> Doubles:
        """(n, 2) mean and variance of ``sum_k x_k b_k`` at the examples' instants; what has no row reads its prior."""
        sums = np.zeros((len(rows), 2))
        _believe(rows, touched.share, plain(at), self._prior, self._half_life, self.values, sums)
        return sums

    def learn(self, touched: Touched, rows: Ints, now: int, offset: Doubles, reward: Floats) -> Doubles:
        """One step of assumed density filtering at `now`; the (n, 2) sums as they were before it."""
        sums, number = np.zeros((len(rows), 2)), np.empty(rows.shape, np.int64)
        step, which = np.empty((rows.size, 4)), np.empty(rows.size, np.int64)
        values = self._values.own()
        used = _gather(rows, float(now), self._prior, self._half_life, values, number, step, which)
        _move(touched.share, number, offset, reward.astype(np.float64), step, sums)
        _put_back(which[:used], step, float(now), values)
        return sums

    def regress(self, touched: Touched, rows: Ints, now: int, measured: Measured) -> Doubles:
        """Learn numbers instead of yes and no, one after the other; the (n,) means as each was before its number."""
        means, number = np.zeros(len(rows)), np.empty(rows.shape, np.int64)
        step, which = np.empty((rows.size, 4)), np.empty(rows.size, np.int64)
        values = self._values.own()
        used = _gather(rows, float(now), self._prior, self._half_life, values, number, step, which)
        _regress(touched.share, number, measured.target, measured.noise, measured.clip, step, means)
        _put_back(which[:used], step, float(now), values)
        return means


@compiled
def _believe(
    rows: Ints, share: Doubles, at: Ints, prior: Doubles, half_life: Doubles, values: Doubles, sums: Doubles
) -> None:
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            x, row = share[i, j], rows[i, j]
            mean, variance = 0.0, prior[j]
            if row >= 0:
                gap = at[i] - values[row, LAST]
                kept = 1.0 if gap <= 0.0 else np.exp2(-gap / half_life[j])
                mean = values[row, MEAN] * kept
                variance -= (variance - values[row, VARIANCE]) * kept * kept
            sums[i, 0] += x * mean
            sums[i, 1] += x * x * variance


GRADIENT, INFORMATION = 2, 3
"""Columns of a step's own rows, beside MEAN and VARIANCE as they are now."""


@compiled
def _gather(
    rows: Ints,
    now: float,
    prior: Doubles,
    half_life: Doubles,
    values: Doubles,
    number: Ints,
    step: Doubles,
    which: Ints,
) -> int:
    """Copy the distinct rows of a step, decayed to now, into `step`; `number` says where each of (n, J) went."""
    used = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row < 0:
                number[i, j] = -1
                continue
            if values[row, MARK] == 0.0:
                gap = now - values[row, LAST]
                kept = 1.0 if gap <= 0.0 else np.exp2(-gap / half_life[j])
                step[used, MEAN] = values[row, MEAN] * kept
                step[used, VARIANCE] = prior[j] - (prior[j] - values[row, VARIANCE]) * kept * kept
                step[used, GRADIENT] = step[used, INFORMATION] = 0.0
                which[used] = row
                used += 1
                values[row, MARK] = used
            number[i, j] = np.int64(values[row, MARK]) - 1
    return used


@compiled
def _move(share: Doubles, number: Ints, offset: Doubles, reward: Doubles, step: Doubles, sums: Doubles) -> None:
    """Every outcome's pull on the effects it touches."""
    for i in range(number.shape[0]):
        mean, variance = 0.0, 0.0
        for j in range(number.shape[1]):
            if number[i, j] >= 0:
                x = share[i, j]
                mean += x * step[number[i, j], MEAN]
                variance += x * x * step[number[i, j], VARIANCE]
        sums[i, 0], sums[i, 1] = mean, variance
        f = (offset[i] + mean) / np.sqrt(1.0 + np.pi * variance / 8.0)
        p = 0.5 * (1.0 + np.tanh(0.5 * f))
        h = p * (1.0 - p)
        for j in range(number.shape[1]):
            k = number[i, j]
            if k >= 0:
                x = share[i, j]
                others = 1.0 + h * (variance - x * x * step[k, VARIANCE])
                step[k, GRADIENT] += x * (reward[i] - p) / others
                step[k, INFORMATION] += x * x * h / others


@compiled
def _regress(
    share: Doubles, number: Ints, target: Doubles, noise: float, clip: float, step: Doubles, means: Doubles
) -> None:
    """Kalman's filter with a diagonal covariance, number by number.

    In sums over a step, effects that its rows share would each take up the whole surprise: a number has no bound that
    a probability has, and the sum would overshoot further with every step.
    """
    limit = clip * np.sqrt(noise)
    for i in range(number.shape[0]):
        mean, variance = 0.0, 0.0
        for j in range(number.shape[1]):
            if number[i, j] >= 0:
                x = share[i, j]
                mean += x * step[number[i, j], MEAN]
                variance += x * x * step[number[i, j], VARIANCE]
        means[i] = mean
        surprise = min(max(target[i] - mean, -limit), limit)
        for j in range(number.shape[1]):
            k = number[i, j]
            if k >= 0:
                gain = share[i, j] * step[k, VARIANCE] / (variance + noise)
                step[k, MEAN] += gain * surprise
                step[k, VARIANCE] *= 1.0 - gain * share[i, j]


@compiled
def _put_back(which: Ints, step: Doubles, now: float, values: Doubles) -> None:
    for k in range(len(which)):
        row = which[k]
        variance = 1.0 / (1.0 / step[k, VARIANCE] + step[k, INFORMATION])
        values[row, MEAN] = step[k, MEAN] + variance * step[k, GRADIENT]
        values[row, VARIANCE] = variance
        values[row, LAST] = max(values[row, LAST], now)
        values[row, MARK] = 0.0
