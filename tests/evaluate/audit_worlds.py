"""Logs of users who come back, with propensities that are right or wrong in the ways people get them wrong."""

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.logged_decisions import LoggedDecisions

FAULTS = ("none", "constant", "permuted", "marginal", "temperature")
EPSILON, TEMPERATURE = 0.1, 1.0


def softmax(scores: Doubles, temperature: float) -> Doubles:
    e = np.exp((scores - scores.max()) / temperature)
    return (1 - EPSILON) * e / e.sum() + EPSILON / len(scores)


def world(n: int, seed: int, fault: str = "none", slate: int = 1, k: int = 6) -> tuple[LoggedDecisions, Doubles, Ints]:
    """n requests of a Plackett-Luce logger over k of 15 items; the champion's conditionals, and the entries' items."""
    rng = np.random.default_rng([seed, n])
    appeal = rng.gumbel(size=15)
    rows = []
    for request in range(n):
        items = rng.permutation(15)[:k]
        scores = appeal[items] + 0.7 * rng.normal(size=k)
        left = np.arange(k)
        first = softmax(scores, TEMPERATURE)
        for position in range(slate):
            chance = softmax(scores[left], TEMPERATURE)
            at = rng.choice(len(left), p=chance)
            told = {
                "marginal": first[left[at]],
                "temperature": softmax(scores[left], 1.6)[at],
                "constant": 1 / len(left),
            }
            rows.append((request, position, items[left], chance, at, told.get(fault, chance[at])))
            left = np.delete(left, at)
    lengths = np.array([len(r[2]) for r in rows])
    offsets = np.append(0, np.cumsum(lengths))
    propensity = np.array([r[5] for r in rows])
    if fault == "permuted":
        propensity = rng.permutation(propensity)
    request = np.array([r[0] for r in rows])
    user = (rng.pareto(1.5, n) * 20).astype(np.int64) % (n // 3)
    log = LoggedDecisions(
        request=request,
        position=np.array([r[1] for r in rows]),
        offsets=offsets,
        action=offsets[:-1] + np.array([r[4] for r in rows]),
        propensity=propensity,
        reward=(rng.random(len(rows)) < 0.5).astype(float),
        at=request,
        logger=np.ones(len(rows)),
        user=user[request],
    )
    return log, np.concatenate([r[3] for r in rows]), np.concatenate([r[2] for r in rows])
