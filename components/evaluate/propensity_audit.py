"""Are the logged propensities those of what was shown? An audit by item, by position and by generation.

If a propensity mu(a) is right, then under any policy pi that it supports, given the prefix,
``E[w 1{a in S}] = sum_{b in S} pi(b)`` with ``w = pi(a) / mu(a)``: the weighted share of a cell S is the share that pi
gives it. Here pi is the champion, who is the logger or near it, so that weights are near 1 and nothing rests on a few
rare ones (balance checks of inverse-probability weights: Austin and Stuart 2015, Statistics in Medicine 34, section 3,
here per cell of what was shown instead of per covariate). The difference of both shares has mean 0 given the prefix, so
its sum has an error by users; for items it is never taken below what the draws were bound to give. Cells are corrected
for their number (Bonferroni).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from components.domain import Bools, Doubles, Ints, Refused
from components.evaluate.by_user import per_user
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings

ENOUGH = 30.0
"""Expected showings below which a cell is not looked at: its normal approximation would not hold."""


@dataclass(frozen=True)
class AuditedCell:
    """One cell: share of decisions expected and observed (weighted), and their distance in standard errors."""

    dimension: str
    cell: str
    expected: float
    observed: float
    z: float


@dataclass(frozen=True)
class PropensityAudit:
    """What an audit found.

    Attributes
    ----------
    cells : looked at. limit : standard errors beyond which one fails. worst : up to five, the worst first.
    failed : whether one did, by more than the tolerance. cause : the likely one, empty where none failed.
    """

    cells: int
    limit: float
    worst: tuple[AuditedCell, ...]
    failed: bool
    cause: str = ""

    @property
    def refusals(self) -> tuple[Refused, ...]:
        """The refusal of a log whose audit failed: which cell, and what is likely the matter."""
        if not self.failed:
            return ()
        w = self.worst[0]
        told = f"{w.dimension} {w.cell} has {w.observed:.1%} of the weighted decisions, expected are {w.expected:.1%}"
        return (
            Refused("propensity audit, standard errors", abs(w.z), self.limit, f"{told}; likely cause: {self.cause}"),
        )


@dataclass(frozen=True)
class _Checked:
    """The log with the weights and the policy that it is audited by."""

    log: LoggedDecisions
    policy: Doubles
    weight: Doubles

    @property
    def shown(self) -> Doubles:
        """(n,) probability of the shown entry under the policy."""
        return self.policy[self.log.action]


def audit(
    log: LoggedDecisions, policy: Doubles, item: Ints | None, settings: EvaluateSettings
) -> PropensityAudit | None:
    """Audit the propensities of decisions that had a choice; None where too few had.

    Parameters
    ----------
    policy : (nnz,) the champion's conditional probabilities. item : (nnz,) code of each entry's item, or None.
    """
    choice = log.eligible > 1
    if not (np.isfinite(log.propensity).all() and (log.propensity > 0).all() and choice.sum() >= ENOUGH):
        return None
    checked = _Checked(log, policy, policy[log.action] / log.propensity)
    cells = list(_cells(checked, choice, item))
    if not cells:
        return None
    cells.sort(key=lambda c: -abs(c.z))
    limit = float(ndtri(1 - settings.audit_alpha / (2 * len(cells))))
    off = [c for c in cells if abs(c.z) > limit and _matters(c, settings.mean_weight_tolerance)]
    worst = tuple([*off, *(c for c in cells if c not in off)][:5])
    cause = _cause(checked, choice, off, limit) if off else ""
    return PropensityAudit(len(cells), limit, worst, bool(off), cause)


def _matters(cell: AuditedCell, tolerance: float) -> bool:
    """Rounded propensities are off by a little, for certain on a long log, and harmless."""
    return abs(cell.observed - cell.expected) > tolerance * cell.expected


def _cells(checked: _Checked, choice: Bools, item: Ints | None) -> Iterator[AuditedCell]:
    log = checked.log
    yield from _of_rows(checked, choice, "position", log.position)
    yield from _of_rows(checked, choice, "generation", log.logger)
    if item is not None:
        yield from _of_items(checked, choice, item)


def _of_rows(checked: _Checked, choice: Bools, dimension: str, label: Ints) -> Iterator[AuditedCell]:
    """Cells that are whole decisions: their weights have mean 1."""
    gap = np.where(choice, checked.weight - 1, 0.0)
    for value in np.unique(label[choice]):
        rows = choice & (label == value)
        if rows.sum() >= ENOUGH:
            share, total = rows.sum() / choice.sum(), choice.sum()
            z = _z(checked.log, np.where(rows, gap, 0.0))
            observed = float(checked.weight[rows].sum() / total)
            yield AuditedCell(dimension, str(value), float(share), observed, z)


def _of_items(checked: _Checked, choice: Bools, item: Ints) -> Iterator[AuditedCell]:
    """Cells of one item each: ``w 1{a = j} - pi(j)`` per decision, all items in one pass over the entries."""
    log, entry = checked.log, np.repeat(choice, checked.log.eligible)
    size, total = int(item.max()) + 1, choice.sum()
    here = item[log.action][choice]
    expected = np.bincount(item[entry], checked.policy[entry], size)
    observed = np.bincount(here, checked.weight[choice], size)
    bound = np.bincount(item[entry], (checked.policy * (1 - checked.policy))[entry], size)
    squares = _squares_by_user(checked, choice, item, size)
    for code in np.flatnonzero(expected >= ENOUGH):
        error = np.sqrt(max(squares[code], bound[code]))
        z = float((observed[code] - expected[code]) / error)
        yield AuditedCell("item", str(code), float(expected[code] / total), float(observed[code] / total), z)


def _squares_by_user(checked: _Checked, choice: Bools, item: Ints, size: int) -> Doubles:
    """(size,) per item, the sum over users of their squared differences; sparse: one key per user and item."""
    log = checked.log
    whose = np.arange(log.requests) if log.cluster is None else log.cluster
    user = np.repeat(whose, log.positions)
    entry = np.repeat(choice, log.eligible)
    keys = np.concatenate(
        [user[log.row_of_entry[entry]] * size + item[entry], user[choice] * size + item[log.action][choice]]
    )
    gaps = np.concatenate([-checked.policy[entry], checked.weight[choice]])
    known, code = np.unique(keys, return_inverse=True)
    sums = np.bincount(code, gaps)
    return np.bincount(known % size, sums * sums, size).astype(np.float64)


def _z(log: LoggedDecisions, over_rows: Doubles) -> float:
    sums = per_user(log.per_request(over_rows), log.cluster)
    error = float(np.sqrt(float(sums @ sums)))
    return float(over_rows.sum()) / error if error > 0 else 0.0


def _cause(checked: _Checked, choice: Bools, off: list[AuditedCell], limit: float) -> str:
    """What the faults that people make look like, told apart as far as they can be."""
    log = checked.log
    mu, shown = log.propensity[choice], checked.shown[choice]
    if min(np.ptp(mu), np.ptp(mu * log.eligible[choice])) < 1e-9:
        return "one constant was logged for every propensity"
    positions = {int(c.cell) for c in off if c.dimension == "position"}
    if positions and min(positions) > 0 and len(np.unique(log.position)) > 1:
        return "conditional and marginal probabilities mixed up: position 0 fits, later ones do not"
    if np.corrcoef(np.log(mu), np.log(shown))[0, 1] < 0.3 and np.ptp(shown) > 1e-6:
        return "propensities permuted: they do not go with what was shown"
    return "another temperature or exploration" if abs(_tilt(checked, choice)) > limit else "unknown"


def _tilt(checked: _Checked, choice: Bools) -> float:
    """z of ``sum w f(a) - sum_b pi(b) f(b)``, f the centred log probability: is who is likelier shown too often?"""
    log = checked.log
    with np.errstate(divide="ignore"):
        f = np.where(checked.policy > 0, np.log(np.maximum(checked.policy, 1e-12)), 0.0)
    f -= (log.per_row(f) / log.eligible)[log.row_of_entry]
    gap = checked.weight * f[log.action] - log.per_row(checked.policy * f)
    return _z(log, np.where(choice, gap, 0.0))
