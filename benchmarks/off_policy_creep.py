"""What remains after a hundred challengers of which each is 1 % worse than the champion it meets?

Every turn brings a challenger that is worth exactly 99 % of the champion, a hundred held-out requests, and the gate
as the loop calls it: a sequential test per champion and, beside it, the anchor with its budget. What is promoted
replaces the champion, so losses multiply. ``python -m benchmarks.off_policy --json`` tells `value_after_100`.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.off_policy_logs import as_log, pick, softmax
from components.domain import Doubles, Verdict
from components.evaluate.anchor import Anchor, after_release
from components.evaluate.creep import Standing
from components.evaluate.evaluate import InLoop, evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.settings import EvaluateSettings

TURNS, REQUESTS, ELIGIBLE = 100, 100, 8
WORSE = 0.99
FIRST = 1
DIFFER = 0.2


@dataclass(frozen=True)
class CreepFigures:
    """Over histories: share of the first champion's value that is left after the turns.

    `lowest` is the 5 % quantile, `below_budget` the share of histories that lost more than the budget,
    `releases` the mean number of promotions.
    """

    value_after_100: float
    lowest: float
    below_budget: float
    releases: float
    budget: float


def creep(histories: int, seed: int, settings: EvaluateSettings | None = None) -> CreepFigures:
    """What is left of the first champion's value after `TURNS` turns, over so many histories."""
    s = settings or EvaluateSettings()
    played = [one_history(seed + h, s) for h in range(histories)]
    left, releases = np.array([worth for worth, _ in played]), np.array([count for _, count in played])
    below = float((left < 1 - s.creep_budget).mean())
    return CreepFigures(
        float(left.mean()), float(np.quantile(left, 0.05)), below, float(releases.mean()), s.creep_budget
    )


def one_history(seed: int, settings: EvaluateSettings) -> tuple[float, int]:
    """Share of the value left after all turns, and the number of promotions."""
    rng = np.random.default_rng([seed, 11])
    appeal = rng.normal(size=60)
    lineage: dict[int, tuple[int, ...]] = {FIRST: ()}
    champion, standing, test = FIRST, Standing.of(FIRST), SequentialTest(FIRST, "update")
    for turn in range(1, TURNS + 1):
        challenger, chance = FIRST + turn, chances(appeal, rng)
        lineage[challenger] = (*lineage[champion], challenger)
        policies = {g: policy_of(lineage[g], chance, (seed, turn)) for g in (champion, challenger, standing.anchor)}
        found = _judged(policies, (challenger, champion), standing, test, chance, rng, settings)
        test = found.sequential_test or test
        if found.verdict is Verdict.PROMOTE:
            assert found.creep is not None
            standing = after_release(standing, challenger, found.creep, settings)
            champion, test = challenger, SequentialTest(challenger, "update")
    return WORSE ** len(lineage[champion]), len(lineage[champion])


def chances(appeal: Doubles, rng: np.random.Generator) -> Doubles:
    """(n, k) chance of reward of every eligible item of a turn's requests: appeal of the item, taste of the user."""
    item = rng.integers(len(appeal), size=(REQUESTS, ELIGIBLE))
    return np.clip(0.35 + 0.15 * appeal[item] + 0.12 * rng.normal(size=item.shape), 0.02, 0.95)


def policy_of(lineage: tuple[int, ...], chance: Doubles, draw: tuple[int, int]) -> Doubles:
    """(n, k) the policy of a generation: the first one's, made 1 % worse by every release since."""
    policy = softmax(6 * (chance + 0.2 * np.random.default_rng(draw).normal(size=chance.shape)), 0.1)
    for generation in lineage:
        policy = worse(policy, chance, np.random.default_rng([*draw, generation]))
    return policy


def worse(policy: Doubles, chance: Doubles, rng: np.random.Generator) -> Doubles:
    """A policy worth exactly `WORSE` of another, which errs differently for about a fifth of the requests."""
    differs = rng.random(len(policy)) < DIFFER
    differs[:2] = True
    moved = softmax(np.log(policy) + rng.normal(size=policy.shape), 0.05)
    start = np.where(differs[:, None], moved, policy)
    begun, wanted = (float((p * chance).sum()) * f for p, f in ((start, 1.0), (policy, WORSE)))
    towards = np.where(differs[:, None], softmax((30 if begun < wanted else -30) * chance, 0.05), policy)
    reached = float((towards * chance).sum())
    step = np.clip((wanted - begun) / (reached - begun), 0, 1)
    return (1 - step) * start + step * towards


def _judged(
    policies: dict[int, Doubles],
    who: tuple[int, int],
    standing: Standing,
    test: SequentialTest,
    chance: Doubles,
    rng: np.random.Generator,
    settings: EvaluateSettings,
) -> Evaluation:
    challenger, champion = who
    shown = pick(policies[champion], rng)
    reward = (rng.random(REQUESTS) < chance[np.arange(REQUESTS), shown]).astype(float)
    log = as_log(policies[champion], shown, reward)
    beside = None if standing.anchor == champion else policies[standing.anchor].ravel()
    return evaluate(
        log,
        policies[challenger].ravel(),
        policies[champion].ravel(),
        (0.8 * chance + 0.07).ravel(),
        settings,
        loop=InLoop(test, anchor=Anchor(standing, beside)),
    )
