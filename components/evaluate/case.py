"""What every part of a judgement reads: both policies on one log, and the intervals of their values."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from components.domain import DAY, ContractBroken, Doubles
from components.evaluate.difference import Paired, gap_spread, paired
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts, Terms, dr, parts, snips
from components.evaluate.intervals import Interval, signed_interval, skew_interval
from components.evaluate.logged_champion import as_logged, paired_with_log
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings, SlateModel
from components.evaluate.slates import WholeSlates
from components.evaluate.weights import weights

UNKNOWN = "neither the champion's probabilities nor the logger's are in the log"


@dataclass(frozen=True)
class Weighing:
    """By which slate model policies are weighed; `slates` None: by running products, which assume the cascade."""

    model: SlateModel = "cascade"
    slates: WholeSlates | None = None

    @classmethod
    def by(cls, model: SlateModel, log: LoggedDecisions, champion: Doubles | None) -> "Weighing":
        """The weighing by `model`; `champion` (nnz,) stands for the logger where the log has no distribution of it.

        Slates of one item are the same under every model.

        Raises
        ------
        ContractBroken
            If the model asks for more than is known of the logger.
        """
        if model == "cascade" or log.single:
            return cls()
        return cls(model, whole_slates(log, champion))

    def parts(self, log: LoggedDecisions, policy: Doubles | None, q: Doubles | None, share: Doubles | None) -> Parts:
        """A policy's weights and expectations; None stands for what was logged, which has no model."""
        if policy is None:
            return as_logged(log, share)
        if self.slates is None:
            return parts(log, policy, q, weight=weights(log, policy, balanced=True), share=share)
        return replace(self.slates.parts(self.model, policy, q, share), log=log)

    def gap_spread(self, ours: Parts, theirs: Parts, target: Doubles, champion: Doubles) -> Doubles:
        """(m,) what the squared gap of two policies' weights was bound to be."""
        if self.slates is None:
            return gap_spread(ours, theirs, target, champion)
        return self.slates.gap_spread(self.model, target, champion)


def whole_slates(log: LoggedDecisions, champion: Doubles | None) -> WholeSlates:
    """The slates with their logger's whole distribution.

    Raises
    ------
    ContractBroken
        Where it is not known, or no Plackett-Luce policy.
    """
    logging = champion if log.logging is None else log.logging
    if logging is None:
        raise ContractBroken(UNKNOWN)
    return WholeSlates.of(log, logging)


@dataclass(frozen=True)
class Case:
    """Both policies on one log; `champion_policy` is None where the champion is what was logged."""

    challenger: Parts
    champion: Parts
    target: Doubles
    champion_policy: Doubles | None
    settings: EvaluateSettings
    bounds: Interval
    weighing: Weighing = Weighing()

    @cached_property
    def pair(self) -> Paired:
        """What the gate reads: terms of the paired difference, and the spread they were bound to have."""
        if self.champion_policy is None:
            return paired_with_log(self.challenger, self.target)
        both = (self.target, self.champion_policy)
        spread = self.weighing.gap_spread(self.challenger, self.champion, *both)
        return paired(self.challenger, self.champion, spread)

    def estimate(self, terms: Terms) -> Estimate:
        """A value with its interval, kept within what a request can earn."""
        found = self.kept_open(skew_interval(terms.clustered, self.settings.alpha), terms)
        lower, upper = max(found.lower, self.bounds.lower), min(found.upper, self.bounds.upper)
        return Estimate(terms.name, terms.value, lower, upper, terms.ess, found.kind)

    def kept_open(self, found: Interval, terms: Terms) -> Interval:
        """An interval of `terms`, wider where all rewards were alike and a user unlike the others is still to come.

        A model that is right about them leaves no residual to take an error from, so this holds with a model, too.
        """
        if found.lower < found.upper and np.ptp(self.challenger.log.reward) > 0:
            return found
        return replace(found, lower=found.lower - self._unseen(terms), upper=found.upper + self._unseen(terms))

    def gap(self, terms: Terms) -> Interval:
        """The interval of the paired difference `terms`; policies that are one differ by 0 for certain."""
        found = signed_interval(terms.clustered, self.settings.alpha, self.pair.expected_error)
        same = self.champion_policy is not None and np.array_equal(self.target, self.champion_policy)
        return found if same else self.kept_open(found, terms)

    def _unseen(self, terms: Terms) -> float:
        """Rule of three: what so many alike users leave open about the next (Hanley and Lippman-Hand 1983)."""
        return 3 * (self.bounds.upper - self.bounds.lower) / terms.ess if terms.ess > 0 else math.inf

    def biased(self, terms: Terms, missing: float, *, downwards: bool) -> Estimate:
        """A value whose bias is at most `missing`; the interval is widened by it to where the bias may point."""
        plain = self.estimate(terms)
        if missing == 0:
            return plain
        lower = plain.lower if downwards else max(plain.lower - missing, self.bounds.lower)
        upper = min(plain.upper + missing, self.bounds.upper)
        return replace(plain, lower=lower, upper=upper, interval=f"{plain.interval}, widened by its bias bound")


def relied_on(p: Parts) -> Terms:
    """The estimate that gate and pages rely on, fixed before any data: DR where there is a model, else SNIPS."""
    return dr(p) if p.modelled else snips(p)


def request_share(log: LoggedDecisions, settings: EvaluateSettings) -> Doubles | None:
    """(m,) weight of each request in every mean: subsampling undone, old requests decayed; None if all alike.

    ``h = 2^(-age / half-life) / (1 - p_drop)``; the ESS reported is that of ``h W``.
    """
    share = None
    if log.p_drop is not None:
        share = 1 / (1 - log.p_drop[log.starts])
    if settings.decay_half_life is not None:
        at = log.at[log.starts]
        decay = 0.5 ** ((at.max() - at) / (settings.decay_half_life * DAY))
        share = decay if share is None else share * decay
    return None if share is None else share / share.mean()


def request_bounds(log: LoggedDecisions, value_range: tuple[float, float]) -> Interval:
    slate = int(log.position.max()) + 1
    return Interval(min(value_range[0], slate * value_range[0]), slate * value_range[1], "range")
