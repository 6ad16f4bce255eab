"""Weights of what is shown instead of what it is: MIPS, for large eligible sets.

If rewards depend on an item only through its cluster (or another embedding e), then
``w(e) = pi(e | x) / mu(e | x)`` with ``pi(e | x) = sum_a p(e | a) pi(a | x)`` is weight enough
(Saito and Joachims 2022, "Off-policy evaluation for large action spaces via embeddings").
It needs the logger's whole distribution; the mass of clusters the logger never shows is
returned, not hidden.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.estimators import Terms
from components.evaluate.log import LoggedDecisions


@dataclass(frozen=True)
class Marginal:
    """MIPS terms, and `unsupported`: share of the target's mass in clusters the logger never shows."""

    terms: Terms
    unsupported: float


def mips(log: LoggedDecisions, target: Doubles, cluster: Ints) -> Marginal:
    """``E_n[w(e_i) r_i]`` with e the cluster of an entry; one decision per request.

    Parameters
    ----------
    target : (nnz,) policy. cluster : (nnz,) cluster of each entry, numbers from 0.

    Notes
    -----
    Unbiased if the item has no effect on the reward beyond its cluster and clusters have
    support; otherwise biased by that direct effect. Variance falls with the number of items
    per cluster; with one item per cluster this is IPS.

    Raises
    ------
    ContractBroken
        If the log does not carry the logger's whole distribution, or has slates.
    """
    logging = _logging(log)
    key = log.row_of_entry * (int(cluster.max()) + 1) + cluster
    cells, number = np.unique(key, return_inverse=True)
    ours = np.bincount(number, target, len(cells))
    theirs = np.bincount(number, logging, len(cells))
    here = number[log.action]
    w = ours[here] / theirs[here]
    unsupported = float(ours[theirs == 0].sum() / len(log))
    return Marginal(Terms("MIPS", w * log.reward, w), unsupported)


def mips_embedded(log: LoggedDecisions, target: Doubles, chance: Doubles, shown: Ints) -> Marginal:
    """MIPS with a stochastic embedding: `chance` (nnz, E) is p(e | a), `shown` (n,) the e that was seen."""
    logging = _logging(log)
    ours = np.add.reduceat(chance * target[:, None], log.offsets[:-1], axis=0)
    theirs = np.add.reduceat(chance * logging[:, None], log.offsets[:-1], axis=0)
    rows = np.arange(len(log))
    w = ours[rows, shown] / theirs[rows, shown]
    unsupported = float(np.where(theirs == 0, ours, 0.0).sum() / len(log))
    return Marginal(Terms("MIPS", w * log.reward, w), unsupported)


def _logging(log: LoggedDecisions) -> Doubles:
    if log.logging is None:
        raise ContractBroken("MIPS needs the column logging, the logger's probability of every eligible entry")
    if not log.single:
        raise ContractBroken(f"MIPS reads single decisions; this log has slates of up to {log.position.max() + 1}")
    return log.logging
