"""Weights of what is shown instead of what it is: MIPS, for large eligible sets.

If rewards depend on an item only through its cluster (or another embedding e), then
``w(e) = pi(e | x) / mu(e | x)`` with ``pi(e | x) = sum_a p(e | a) pi(a | x)`` is weight enough
(Saito and Joachims 2022, "Off-policy evaluation for large action spaces via embeddings").
It needs the logger's whole distribution; the mass of clusters the logger never shows is
returned, not hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.estimators import Terms
from components.evaluate.logged_decisions import LoggedDecisions


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
    return Marginal(Terms("MIPS", w * log.reward, w, log.cluster), unsupported)


@dataclass(frozen=True)
class Embedding:
    """One dimension of a stochastic embedding: `chance` (A, E) is p(e | a), `shown` (n,) the e that was seen."""

    chance: Doubles
    shown: Ints


def mips_embedded(log: LoggedDecisions, target: Doubles, item: Ints, embeddings: Sequence[Embedding]) -> Marginal:
    """MIPS with stochastic embeddings of several dimensions, ``w(e) = prod_d pi(e_d) / mu(e_d)``.

    Parameters
    ----------
    item : (nnz,) row of each entry in the embeddings' tables.

    Notes
    -----
    Dimensions are taken as independent given the context, as in the paper's experiments.
    Memory is O(nnz), one value of e at a time.
    """
    logging = _logging(log)
    w = np.ones(len(log))
    unsupported = 0.0
    for dimension in embeddings:
        for value in range(dimension.chance.shape[1]):
            chance = dimension.chance[item, value]
            ours, theirs = log.per_row(chance * target), log.per_row(chance * logging)
            unsupported += float(ours[theirs == 0].sum()) / len(log)
            here = dimension.shown == value
            w[here] *= ours[here] / theirs[here]
    return Marginal(Terms("MIPS", w * log.reward, w, log.cluster), unsupported)


def _logging(log: LoggedDecisions) -> Doubles:
    if log.logging is None:
        raise ContractBroken("MIPS needs the column logging, the logger's probability of every eligible entry")
    if not log.single:
        raise ContractBroken(f"MIPS reads single decisions; this log has slates of up to {log.position.max() + 1}")
    return log.logging
