"""What is assumed of a user who sees a slate, and the weights that follow from it.

- ``cascade``: users look from the top down: a position's reward depends on its item and those above. Weights are
  running products, W_l (RIPS, Cascade-DR; `components.evaluate.estimators`). What the gate assumes
  unless its setting says otherwise.
- ``independent``: a position's reward depends on its own item. Weights are ratios of *marginal* probabilities,
  ``w_l = p_t(a_l at l) / p_mu(a_l at l)`` (item-position model: Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay, Wen
  2018, "Offline evaluation of ranking policies with click models", section 4).
- ``additive``: the slate's reward is a sum of effects of its (item, position) pairs, each of which may act on any
  position. One weight for the slate, ``w = q_t' Gamma^+ 1_s`` with q_t the target's marginals, 1_s the slate's
  indicators and ``Gamma = E_mu[1_s 1_s']`` (pseudo-inverse: Swaminathan, Krishnamurthy, Agarwal, Dudik, Langford,
  Jose, Zitouni 2017, "Off-policy evaluation for slate recommendation", section 3). Drawn without replacement,
  positions depend on each other, so Gamma is enumerated, not factored. Its mean is 1, and `paired` subtracts the
  multiple of it that leaves the least variance: the control variate of Vlassis, Chandrashekar, Amat Gil and Kallus
  2021, "Control variates for slate off-policy evaluation", section 4.

A wrong assumption is a bias that no interval shows. Both other models need the
logger's whole distribution and Plackett-Luce policies. With a model q of the rewards they are doubly robust: q of the
first position, scaled per position, is itself independent and additive, so it may be wrong without a bias.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from components.domain import ContractBroken, Doubles
from components.evaluate.eligible_slates import EligibleSlates, eligible_slates, strengths
from components.evaluate.estimators import Parts
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import SlateModel
from components.evaluate.weights import Weights
from components.policy.slots import joint, marginals

ASSUMED: dict[SlateModel, str] = {
    "cascade": "a position's reward depends on its item and those above",
    "independent": "a position's reward depends on its own item alone",
    "additive": "the slate's reward is a sum of effects of its items at their positions",
}
"""Model -> what it assumes of users."""
SMALLEST_EIGENVALUE = 1e-9
"""Of the scaled Gamma, relative to its largest: below it is a direction that no slate has."""
ROUNDED = 12
"""Decimals of a weight: of a policy that is the logger all are 1, and noise in the last bit is no tail."""
LOGGED_TOLERANCE = 1e-3
"""Share by which the logger's distribution may miss the propensity recorded beside it (single precision, rounding)."""


@dataclass(frozen=True)
class _Shape:
    """Slates of one shape with what the logger could have shown instead.

    Attributes
    ----------
    gamma : (r, L k, L k) the logger's second moments. inverse : (r, L k, L k) a generalised inverse of it.
    """

    slates: EligibleSlates
    gamma: Doubles
    inverse: Doubles

    @cached_property
    def logged(self) -> Doubles:
        """(r, L k) the logger's marginals."""
        return np.einsum("rii->ri", self.gamma)

    @cached_property
    def place(self) -> np.ndarray:
        """(r, L) places of the shown pairs among the L k."""
        return np.asarray(np.arange(self.slates.length) * self.slates.items + self.slates.shown)


@dataclass(frozen=True)
class WholeSlates:
    """A log of slates whose logger's whole distribution is known: what both models read."""

    log: LoggedDecisions
    shapes: tuple[_Shape, ...]

    @classmethod
    def of(cls, log: LoggedDecisions, logging: Doubles) -> "WholeSlates":
        """Read the logger off `logging` (nnz,), its conditionals.

        Raises
        ------
        ContractBroken
            If the logger is no Plackett-Luce policy or another policy drew, or if slates are too large.
        """
        told, recorded = logging[log.action], log.propensity
        off = ~(np.abs(told - recorded) <= LOGGED_TOLERANCE * recorded)
        if off.any():
            row = int(np.argmax(off))
            raise ContractBroken(
                f"the logger's distribution gives what row {row} shows {told[row]:.6g}; its propensity is "
                f"{recorded[row]:.6g} ({off.sum()} such rows): another policy drew"
            )
        found = eligible_slates(log)
        loggers = strengths(log, found, logging, "the logger", log.logger[log.starts])
        gammas = [joint(each, slates.length) for each, slates in zip(loggers, found, strict=True)]
        return cls(log, tuple(_Shape(s, g, _inverse(g)) for s, g in zip(found, gammas, strict=True)))

    def parts(self, model: SlateModel, policy: Doubles, q: Doubles | None, share: Doubles | None) -> Parts:
        """A policy's weights and model expectations under `model`; arguments as in `estimators.parts`.

        Every estimator of `components.evaluate.estimators` reads them as they stand. `Weights.request` is the mean
        of the slate's weights: the one the slate's reward rests on.

        Raises
        ------
        ContractBroken
            If `policy` is no Plackett-Luce policy.
        """
        log = self.log
        through, qbar, shown = np.empty(len(log)), np.zeros(len(log)), np.zeros(len(log))
        scale = np.zeros(0) if q is None else self._scale(q)
        for shape, target in self._targets(policy):
            rows = shape.slates.rows
            through[rows] = _independent(shape, target) if model == "independent" else _additive(shape, target)
            if q is not None:
                first, length = shape.slates.whole(log, q), shape.slates.length
                each = target.reshape(len(first), length, -1)
                qbar[rows] = np.einsum("rlk,rk->rl", each, first) * scale[:length]
                shown[rows] = np.take_along_axis(first, shape.slates.shown, axis=1) * scale[:length]
        through = through.round(ROUNDED)
        whole = log.per_request(through) / log.positions
        weight = Weights(through, np.broadcast_to(1.0, len(log)), through, whole)
        share = None if share is None else share / share.mean()
        return Parts(log, weight, shown, qbar, q is not None, share)

    def gap_spread(self, model: SlateModel, target: Doubles, champion: Doubles) -> Doubles:
        """(m,) ``E[B^2 | x]`` of ``B = sum_l (w_t,l - w_c,l)``, exact; see `components.evaluate.difference`.

        ``g' Gamma g`` with g the gap of the weights of every pair; for additive weights ``L^2 d' Gamma^+ d`` with d
        the gap of the marginals.
        """
        out = np.empty(self.log.requests)
        for (shape, ours), (_, theirs) in zip(self._targets(target), self._targets(champion), strict=True):
            gap = ours - theirs
            if model == "independent":
                gap, moments = _ratio(gap, shape.logged), shape.gamma
            else:
                gap, moments = gap * shape.slates.length, shape.inverse
            out[shape.slates.request] = np.einsum("ri,rij,rj->r", gap, moments, gap)
        return out

    def _targets(self, policy: Doubles) -> list[tuple[_Shape, Doubles]]:
        """Each shape with the policy's marginals (r, L k)."""
        slates = tuple(shape.slates for shape in self.shapes)
        read = strengths(self.log, slates, policy, "the target")
        return [
            (shape, marginals(each, shape.slates.length).reshape(len(each.floor), -1))
            for shape, each in zip(self.shapes, read, strict=True)
        ]

    def _scale(self, q: Doubles) -> Doubles:
        """(L,) what q says of a position, as a share of what it says of the same items at the first position."""
        length = int(self.log.position.max()) + 1
        here, first = np.zeros(length), np.zeros(length)
        for shape in self.shapes:
            there = np.take_along_axis(shape.slates.whole(self.log, q), shape.slates.shown, axis=1)
            first[: shape.slates.length] += there.sum(axis=0)
            here[: shape.slates.length] += q[self.log.action[shape.slates.rows]].sum(axis=0)
        return np.divide(here, first, out=np.ones(length), where=first != 0)


def _inverse(gamma: Doubles) -> Doubles:
    """A generalised inverse: weights are the same for each of them, as all slates lie in Gamma's range.

    Scaled to marginals of 1 first, so that pairs that are rarely shown are not taken for impossible.
    """
    scale = _ratio(np.ones(gamma.shape[:2]), np.sqrt(np.einsum("rii->ri", gamma)))
    outer = scale[:, :, None] * scale[:, None, :]
    return np.asarray(outer * np.linalg.pinv(outer * gamma, rcond=SMALLEST_EIGENVALUE, hermitian=True))


def _ratio(over: Doubles, under: Doubles) -> Doubles:
    """0 where the logger never shows: that mass is missing from the weights' mean, which tells."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _independent(shape: _Shape, target: Doubles) -> Doubles:
    return np.take_along_axis(_ratio(target, shape.logged), shape.place, axis=1)


def _additive(shape: _Shape, target: Doubles) -> Doubles:
    each = np.einsum("rij,rj->ri", shape.inverse, target)
    return np.broadcast_to(np.take_along_axis(each, shape.place, axis=1).sum(axis=1, keepdims=True), shape.place.shape)


def at_position(p: Parts, position: int) -> Parts:
    """What a policy earns at one position, as Parts of the whole slate: the sum over positions is the slate's value."""
    here = p.log.position == position
    through = np.where(here, p.weight.through, 0.0)
    prefix = np.where(here, p.weight.prefix, 0.0)
    return replace(p, weight=Weights(p.weight.step, prefix, through, p.log.per_request(through)))
