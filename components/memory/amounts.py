"""Amounts: what a reward is worth, given that there is one. Learned online, in logs, shrunk and forgetting.

The probability of a reward is learned elsewhere, by log loss; a decision's expected amount is

    E[amount | x] = P(reward | x) E[amount | reward, x],     E[amount | reward, x] = s exp(F(x)),

the two parts of a hurdle model (Cragg 1971, Econometrica 39). F is a Bayesian linear model of the log amount:
everybody, the user, the item and every other keyed field has an effect, believed Gaussian and shrunk to 0, so that a
new item stands where its fields and its user stand (hierarchical back-off):

    log amount = level + sum_k x_k b_k + noise,   b_k ~ N(m_k, v_k),   F = level + sum x_k m_k,   V = sum x_k^2 v_k,
    gain_k = x_k v_k / (V + sd^2),   m_k += gain_k clip(log amount - F, 3 sd),   v_k *= 1 - gain_k x_k,

outcome by outcome, with the decay of posterior_view.py. `sd` is that of the prequential surprises. Amounts are skew,
often lognormal with sd above 1, and their logs are not: an item's mean log is known after a few sales, its mean after
many.
What the log loses comes back by smearing (Duan 1983, JASA 78): s = sum amount / sum exp(F), over decayed prequential
sums, so that what was expected adds up to what was earned.
Bias: none in total; items whose noise is wider than the others' are rated low. Variance: at most that of the priors.
"""

from collections.abc import Mapping

import numpy as np

from components.domain import DAY, Doubles, Examples, Floats, Ints, Keys
from components.feature_spec import FeatureSpec, FieldKind, FieldOf
from components.memory.entities import Entities
from components.memory.posterior import LAST, MEAN, VARIANCE, Measured, Posterior
from components.memory.settings import Entity, MemorySettings
from components.memory.view import State, without
from components.ranker.key_table import KeyTable

CLIP = 3.0
"""Standard deviations beyond which a surprise counts as one of that size: one slip may not re-price an item."""
PRIOR_ROWS = 20.0
"""Weight, in rewards, of the belief that amounts scatter by a factor of e, and that s is 1."""
COUNT, SQUARES, EARNED, EXPECTED, LEVEL, MOST, AT = range(7)
"""Running sums: rewards, squared surprises, amounts and exp(F) in units of exp(level); level, largest log, instant."""


class Amounts:
    """What is believed of log amounts, one effect per entity."""

    def __init__(self, spec: FeatureSpec, settings: MemorySettings) -> None:
        self._spec, self._settings = spec, settings
        self._entities = Entities(spec, entities(spec, settings))
        self._table = KeyTable()
        self._beliefs = Posterior.empty(self._entities)
        self._sums: Doubles = np.zeros(7)

    def read(self, examples: Examples) -> Doubles:
        """(n,) log of the expected amount given a reward, never above the largest seen; 0 before the first."""
        if not self._sums[COUNT]:
            return np.zeros(len(examples))
        touched = self._entities.touched(examples, _nothing(examples))
        rows = self._table.find(touched.keys.ravel()).reshape(touched.keys.shape)
        log = self._sums[LEVEL] + self._beliefs.at(touched, rows, examples.at)[:, 0] + self._smear
        return np.asarray(np.minimum(log, self._sums[MOST]))

    def learn(self, examples: Examples, reward: Floats, amount: Floats) -> None:
        """Learn n outcomes as one step; those without a reward, or of unknown amount, say nothing here."""
        told = np.flatnonzero((reward > 0) & (amount > 0) & np.isfinite(amount))
        if not len(told):
            return
        rows, log, now = examples.take(told), np.log(amount[told].astype(np.float64)), int(examples.at[told].max())
        if not self._sums[COUNT]:
            self._sums[[LEVEL, MOST, AT]] = np.median(log), log.max(), now
        touched = self._entities.touched(rows, _nothing(rows))
        number = self._table.insert(touched.keys.ravel()).reshape(touched.keys.shape)
        self._beliefs.fit(len(self._table))
        above = log - self._sums[LEVEL]
        self._sum(above, self._beliefs.regress(touched, number, now, Measured(above, self._noise, CLIP)), now)

    def _sum(self, above: Doubles, expected: Doubles, now: int) -> None:
        """Add logs of amounts above the level, and what was expected of them, to the decayed sums."""
        sums, limit = self._sums, CLIP * np.sqrt(self._noise)
        sums[:LEVEL] *= 0.5 ** (max(now - sums[AT], 0.0) / (self._settings.amount_half_life * DAY))
        squares = np.clip(above - expected, -limit, limit) ** 2
        sums[:LEVEL] += len(above), squares.sum(), np.exp(above).sum(), np.exp(expected).sum()
        sums[MOST], sums[AT] = max(sums[MOST], sums[LEVEL] + above.max()), max(sums[AT], now)

    @property
    def _noise(self) -> float:
        """Variance of the surprises."""
        return float((PRIOR_ROWS + self._sums[SQUARES]) / (PRIOR_ROWS + self._sums[COUNT]))

    @property
    def _smear(self) -> float:
        """log s."""
        return float(np.log((PRIOR_ROWS + self._sums[EARNED]) / (PRIOR_ROWS + self._sums[EXPECTED])))

    def state(self) -> State:
        """Keys and beliefs in row order, and the running sums."""
        rows = self._beliefs.values[: len(self._table)]
        return {
            "keys": self._table.keys(),
            "mean": rows[:, MEAN].copy(),
            "variance": rows[:, VARIANCE].copy(),
            "last": rows[:, LAST].astype(np.int64),
            "sums": self._sums.copy(),
        }

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._table = KeyTable.of(state["keys"])
        rows = np.zeros((len(self._table), 4))
        rows[:, MEAN], rows[:, VARIANCE], rows[:, LAST] = state["mean"], state["variance"], state["last"]
        self._beliefs = Posterior(self._entities, rows)
        self._sums = state["sums"].copy()

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop the effects that some ids of a field are part of; `known` has, by field, the keys of all values."""
        self.load(without(self.state(), self._entities.about(field, keys, known), ("mean", "variance", "last")))

    def copy(self) -> "Amounts":
        """Independent, with the same content; the arrays are the same until either learns."""
        twin = Amounts(self._spec, self._settings)
        twin._table, twin._beliefs, twin._sums = self._table.copy(), self._beliefs.copy(), self._sums.copy()
        return twin


def entities(spec: FeatureSpec, settings: MemorySettings) -> tuple[Entity, ...]:
    """Everybody, and every keyed field but what users liked last."""
    fields = [f.name for f in spec.keyed if not (f.of is FieldOf.CONTEXT and f.kind is FieldKind.MULTI)]
    sd, half_life = settings.amount_prior_sd, settings.amount_half_life
    return tuple(Entity(interaction=i, prior_sd=sd, half_life=half_life) for i in ((), *((name,) for name in fields)))


def _nothing(examples: Examples) -> Ints:
    """Amounts do not depend on how often an id was seen."""
    return np.zeros((len(examples), 0), np.int64)
