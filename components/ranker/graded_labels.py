"""What an outcome says about the next one: scores learned from history, in place of yes and no.

A reward says whether, a grade says how much: the rating behind a "liked", the seconds behind a "clicked". A 3
and a 7 are both below the threshold of 8, yet the 7 promises an 8 next time. So models and memory learn a
score in [0, 1] per level of the outcome, and a calibration turns what they then predict into P(reward = 1).

The scores are what predicts best. Levels l are bins of the grade within each class of the reward. For row i
with user (or item) u, let f_il be the frequency of level l among the *other* outcomes of u, shrunk to that of
everybody, p_l:

    f_il = (n_ul - 1{l_i = l} + k p_l) / (n_u - 1 + k) - p_l,      reward_i - mean = sum_l s_l f_il + error.

Least squares gives s_l: by how much an outcome at level l moves what is expected of its user's and its item's
other outcomes. Scaled to [0, 1]. It is the optimal scaling of a correspondence analysis with the reward as the
other side (Greenacre 1984, chapter 3), and needs no model. With yes and no alone it returns them.
Bias: levels within a bin count as equal. Variance: that of a regression on as many columns as levels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from components.domain import Bools, Doubles, Floats, Ints, Keys, Matured

BINS = 8
"""Most levels per class of the reward; scales of up to 16 levels are told apart exactly, if evenly used."""
SHRINKAGE = 3.0
"""k, outcomes of everybody added to each user's and item's own."""
LEAST_ROWS = 1_000
"""Below this the scores are noise, and yes and no stand."""
RIDGE = 1e-5
"""Per row: keeps the scores of levels that hardly occur from running away."""
_USER, _ITEM = 0, 1


@dataclass(frozen=True, slots=True)
class GradedLabels:
    """Scores of the levels of an outcome.

    Attributes
    ----------
    negative, positive : ascending upper edges of the levels of each class; the last level is open.
    score : (L,) in [0, 1], L = len(negative) + len(positive) + 4: the levels of negatives, those of positives, then
        a negative and a positive without a grade.
    """

    negative: Doubles
    positive: Doubles
    score: Doubles

    @classmethod
    def plain(cls) -> "GradedLabels":
        """Yes is 1 and no is 0."""
        return cls(np.empty(0), np.empty(0), np.array([0.0, 1.0, 0.0, 1.0]))

    @classmethod
    def fit(cls, history: Matured) -> "GradedLabels":
        """Learn the scores from n outcomes; `plain` where they have no grade, or where there are too few to tell."""
        positive = history.reward >= 0.5
        if (
            history.grade is None
            or np.isfinite(history.grade).sum() < LEAST_ROWS
            or positive.all()
            or not positive.any()
        ):
            return cls.plain()
        edges = _edges(history.grade[~positive]), _edges(history.grade[positive])
        blank = cls(*edges, np.zeros(len(edges[0]) + len(edges[1]) + 4))
        level = blank._level(positive, history.grade)
        score = _scores(level, len(blank.score), history.reward, history.examples.keys)
        is_positive = np.r_[np.repeat([False, True], [len(edges[0]) + 1, len(edges[1]) + 1]), False, True]
        never = np.bincount(level, minlength=len(score)) == 0
        means = np.array([score[level[~positive]].mean(), score[level[positive]].mean()])
        return cls(*edges, np.where(never, means[is_positive.astype(int)], score))

    @classmethod
    def of(cls, lists: Mapping[str, Sequence[float]]) -> "GradedLabels":
        """What `lists` told."""
        return cls(**{name: np.array(values, np.float64) for name, values in lists.items()})

    def lists(self) -> dict[str, list[float]]:
        """All numbers by name, for JSON, which keeps them to the last bit."""
        return {name: values.tolist() for name, values in asdict(self).items()}

    @property
    def is_plain(self) -> bool:
        """Whether the target is the reward itself."""
        return self.score.tolist() == [0, 1, 0, 1]

    def target(self, data: Matured) -> Floats:
        """(n,) float32 what to learn: the score of each outcome's level."""
        if self.is_plain:
            return data.reward
        grade = np.full(len(data), np.nan, np.float32) if data.grade is None else data.grade
        return self.score[self._level(data.reward >= 0.5, grade)].astype(np.float32)

    def _level(self, positive: Bools, grade: Floats) -> Ints:
        low, high = np.searchsorted(self.negative, grade, "left"), np.searchsorted(self.positive, grade, "left")
        level = np.where(positive, len(self.negative) + 1 + high, low)
        return np.where(np.isfinite(grade), level, len(self.score) - 2 + positive)


def _edges(grade: Floats) -> Doubles:
    """Upper edges of at most BINS levels, evenly filled; the largest grade lies in the open last level."""
    grade = grade[np.isfinite(grade)].astype(np.float64)
    if not len(grade):
        return np.empty(0)
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(grade, inner, method="lower"))
    return np.asarray(edges[edges < grade.max()], np.float64)


def _scores(level: Ints, levels: int, reward: Floats, keys: Keys) -> Doubles:
    """(levels,) least squares as in the module, over users and items together, scaled to [0, 1]."""
    share = np.bincount(level, minlength=levels) / len(level)
    surprise = reward - reward.mean()
    squares, moments, rows = np.zeros((levels, levels)), np.zeros(levels), 0
    for column in (_USER, _ITEM):
        group = np.unique(keys[:, column], return_inverse=True)[1]
        counts = np.zeros((group.max() + 1, levels))
        np.add.at(counts, (group, level), 1)
        others = counts[group]
        others[np.arange(len(level)), level] -= 1
        size = others.sum(1)
        told = size > 0
        f = ((others + SHRINKAGE * share) / (size + SHRINKAGE)[:, None] - share)[told]
        squares, moments, rows = squares + f.T @ f, moments + f.T @ surprise[told], rows + len(f)
    score = np.linalg.solve(squares + RIDGE * max(rows, 1) * np.eye(levels), moments)
    lowest, highest = float(score.min()), float(score.max())
    return np.asarray((score - lowest) / max(highest - lowest, 1e-12), np.float64)
