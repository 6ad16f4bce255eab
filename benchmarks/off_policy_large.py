"""Eligible sets of a thousand: what weights of clusters buy. ``python -m benchmarks.off_policy_large``.

Compares IPS and SNIPS with MIPS (Saito and Joachims 2022, "Off-policy evaluation for large action spaces via
embeddings") in a world of its own: 20 clusters of 50 items; rewards by the cluster, and in a second world by the item,
too. MIPS is no part of the gate: it trades variance for a bias that no interval shows.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

import numpy as np

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.estimators import Terms, ips, parts, snips
from components.evaluate.intervals import skew_interval
from components.evaluate.logged_decisions import LoggedDecisions

ITEMS, CLUSTERS = 1000, 20
REQUESTS = 2000
SEED = 20_261_124


@dataclass(frozen=True)
class Marginal:
    """MIPS terms, and `unsupported`: share of the target's mass in clusters the logger never shows."""

    terms: Terms
    unsupported: float


def mips(log: LoggedDecisions, target: Doubles, cluster: Ints) -> Marginal:
    """``E_n[w(e_i) r_i]``, ``w(e) = pi(e | x) / mu(e | x)``, with e the cluster of an entry; one decision per request.

    Parameters
    ----------
    target : (nnz,) policy. cluster : (nnz,) cluster of each entry, numbers from 0.

    Notes
    -----
    Unbiased if the item has no effect on the reward beyond its cluster and clusters have support; otherwise biased
    by that direct effect. Variance falls with the number of items per cluster; with one item per cluster this is IPS.

    Raises
    ------
    ContractBroken
        If the log does not carry the logger's whole distribution, or has slates.
    """
    if log.logging is None:
        raise ContractBroken("MIPS needs the column logging, the logger's probability of every eligible entry")
    if not log.single:
        raise ContractBroken(f"MIPS reads single decisions; this log has slates of up to {log.position.max() + 1}")
    key = log.row_of_entry * (int(cluster.max()) + 1) + cluster
    cells, number = np.unique(key, return_inverse=True)
    ours = np.bincount(number, target, len(cells))
    theirs = np.bincount(number, log.logging, len(cells))
    here = number[log.action]
    w = ours[here] / theirs[here]
    unsupported = float(ours[theirs == 0].sum() / len(log))
    return Marginal(Terms("MIPS", w * log.reward, w, log.cluster), unsupported)


@dataclass(frozen=True)
class Found:
    """One estimator in one world: bias and root mean squared error of the value, and how its lower end fared.

    `held` is the share of logs whose lower end (nominal 97.5 %) lies below the truth, `lower` its mean.
    """

    estimator: str
    direct: float
    truth: float
    bias: float
    error: float
    held: float
    lower: float


@dataclass(frozen=True)
class World:
    """`logging`, `target`, `chance`: (ITEMS,) of one context; rewards depend on clusters, and by `direct` on items."""

    direct: float
    logging: Doubles
    target: Doubles
    chance: Doubles

    @classmethod
    def drawn(cls, direct: float, seed: int) -> "World":
        """A world whose logger and target differ within clusters as much as between them."""
        rng = np.random.default_rng(seed)
        logging, target = (_softmax(rng.normal(size=ITEMS)) for _ in range(2))
        between, within = rng.uniform(0.1, 0.5, CLUSTERS), rng.uniform(-1, 1, ITEMS)
        return cls(direct, logging, target, between[np.arange(ITEMS) % CLUSTERS] + direct * within)

    @property
    def truth(self) -> float:
        """The target's value."""
        return float(self.target @ self.chance)

    def log(self, requests: int, rng: np.random.Generator) -> LoggedDecisions:
        """A log of so many requests."""
        shown = rng.choice(ITEMS, requests, p=self.logging)
        offsets = np.arange(requests + 1) * ITEMS
        reward = (rng.random(requests) < self.chance[shown]).astype(float)
        rows, whole = np.arange(requests), np.tile(self.logging, requests)
        return LoggedDecisions(
            rows, 0 * rows, offsets, offsets[:-1] + shown, self.logging[shown], reward, rows, 0 * rows, None, whole
        )


def _softmax(scores: Doubles) -> Doubles:
    return np.asarray(np.exp(scores) / np.exp(scores).sum())


def compared(direct: float, logs: int, requests: int, seed: int) -> list[Found]:
    """Every estimator over so many logs of one world."""
    world, rng = World.drawn(direct, seed), np.random.default_rng([seed, 1])
    told: dict[str, list[tuple[float, float]]] = {}
    for _ in range(logs):
        log = world.log(requests, rng)
        target = np.tile(world.target, requests)
        p = parts(log, target)
        for terms in (ips(p), snips(p), mips(log, target, np.tile(np.arange(ITEMS) % CLUSTERS, requests)).terms):
            told.setdefault(terms.name, []).append((terms.value, skew_interval(terms.each, 0.05).lower))
    return [_found(name, world, np.array(values)) for name, values in told.items()]


def _found(name: str, world: World, told: Doubles) -> Found:
    values, lower = told.T
    off = values - world.truth
    error = float(np.sqrt((off**2).mean()))
    held = float((lower <= world.truth).mean())
    return Found(name, world.direct, world.truth, float(off.mean()), error, held, float(lower.mean()))


def main() -> None:
    """Print the comparison as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--logs", type=int, default=200, help="logs per world (default: 200)")
    arguments.add_argument("--seed", type=int, default=SEED)
    asked = arguments.parse_args()
    found = [f for direct in (0.0, 0.1) for f in compared(direct, asked.logs, REQUESTS, asked.seed)]
    sys.stdout.write(json.dumps([asdict(f) for f in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
