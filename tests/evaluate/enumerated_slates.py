"""Every slate that a Plackett-Luce logger could draw, as a log of its own: means over it are exact, not sampled."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from components.domain import Doubles
from components.evaluate.logged_decisions import LoggedDecisions
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.policy.slates import Shown


@dataclass(frozen=True)
class AllSlates:
    """`log` with one request per slate, `chance` (m,) of each under the logger, `slate` (m, L) of items."""

    log: LoggedDecisions
    chance: Doubles
    slate: np.ndarray

    def mean(self, over_requests: Doubles) -> float:
        """Expectation under the logger."""
        return float(self.chance @ over_requests)

    def conditionals(self, scores: Doubles, floor: float) -> Doubles:
        """(nnz,) of the Plackett-Luce policy with these scores (k,) and floor."""
        return conditionals(self.slate, scores, floor).probability


def conditionals(slate, scores, floor):
    m, k = len(slate), len(scores)
    offsets = np.arange(m + 1) * k
    shown = Shown((offsets[:-1, None] + slate).ravel(), np.arange(m + 1) * slate.shape[1])
    return PlackettLuce(PolicySettings(temperature=1.0, epsilon=floor)).conditionals(np.tile(scores, m), offsets, shown)


def all_slates(scores: Doubles, length: int, floor: float) -> AllSlates:
    """The log of a logger with these scores (k,); its rewards are 0."""
    k = len(scores)
    slate = np.array(list(permutations(range(k), length)))
    there = conditionals(slate, scores, floor)
    position = np.tile(np.arange(length), len(slate))
    entry = np.repeat(np.arange(len(slate)), length) * k + slate.ravel()
    action = np.flatnonzero(there.entry == np.repeat(entry, np.diff(there.offsets)))
    log = LoggedDecisions(
        request=np.repeat(np.arange(len(slate)), length),
        position=position,
        offsets=there.offsets,
        action=action,
        propensity=there.probability[action],
        reward=np.zeros(slate.size),
        at=np.zeros(slate.size),
        logger=np.ones(slate.size),
        logging=there.probability,
    )
    chance = log.running_product(log.propensity)[np.append(log.starts[1:], len(log)) - 1]
    return AllSlates(log, chance, slate)
