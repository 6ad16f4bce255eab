"""Does the gate err as rarely as it says? Histories of the simulated world, looked at every day."""

from dataclasses import dataclass

import numpy as np

from benchmarks.off_policy_logs import as_log, make_pool, pick, softmax
from components.domain import Doubles, Ints, Verdict
from components.evaluate.difference import difference, gap_spread, paired
from components.evaluate.estimators import dr, parts
from components.evaluate.evaluate import evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.gate import Kind
from components.evaluate.intervals import Interval, signed_interval, skew_interval
from components.evaluate.sequential_test import SequentialTest, look
from components.evaluate.settings import EvaluateSettings
from components.world.laws import SimulatedSettings
from components.world.simulated import Requests, SimulatedWorld

DAYS, PER_DAY = 30, 1667
HELD_OUT = 120
"""Requests a day that the gate may read in the histories of a small shop, drawn from all of the day's."""
DISAGREE = 5
"""Champion and challenger differ for every fifth user: they agree on 80 % of decisions."""


@dataclass(frozen=True)
class Case:
    """A challenger of known relative gain, and the question it is asked."""

    name: str
    gain: float
    kind: Kind
    margin: float = 0.0


CASES = (
    Case("superiority.worse_promoted", -0.02, "change"),
    Case("superiority.equal_promoted", 0.0, "change"),
    Case("superiority.better_promoted", 0.05, "change"),
    Case("noninferiority.worse_promoted", -0.03, "update", 0.03),
    Case("noninferiority.equal_promoted", 0.0, "update", 0.03),
)


@dataclass(frozen=True)
class History:
    """One world's decisions under the champion: requests and their day, policies (n, k), and what was shown."""

    requests: Requests
    day: Ints
    champion: Doubles
    better: Doubles
    worse: Doubles
    shown: np.ndarray
    reward: Doubles


def gate(histories: int, first: int = 0, per_day: int = PER_DAY) -> dict[str, int]:
    """Number of histories in which each case's challenger is promoted at any of the daily looks."""
    promoted = dict.fromkeys((c.name for c in CASES), 0)
    for seed in range(first, first + histories):
        for name, yes in one_history(seed, per_day).items():
            promoted[name] += yes
    return promoted


def one_history(seed: int, per_day: int = PER_DAY) -> dict[str, bool]:
    """Whether each case's challenger is promoted within the history's 30 daily looks, by what the loop calls.

    `per_day` of each day's requests are read, drawn at random: the challenger's gain is exact on all of the day's.
    """
    history = make_history(seed)
    q = past_means(history)
    targets = {case.name: challenger(history, case.gain) for case in CASES}
    lines = {case.name: SequentialTest(champion=1, kind=case.kind) for case in CASES}
    promoted = dict.fromkeys(targets, False)
    rng = np.random.default_rng([seed, per_day])
    for day in range(DAYS):
        rows = np.sort(rng.choice(np.flatnonzero(history.day == day), per_day, replace=False))
        log = as_log(history.champion[rows], history.shown[rows], history.reward[rows])
        model = q[rows].ravel()
        champion_policy = parts(log, history.champion[rows].ravel(), model)
        for case in CASES:
            if promoted[case.name]:
                continue
            target, champion = targets[case.name][rows].ravel(), history.champion[rows].ravel()
            ours = parts(log, target, model)
            pair = paired(ours, champion_policy, gap_spread(ours, champion_policy, target, champion))
            found = look(lines[case.name], pair, dr(champion_policy).each, EvaluateSettings(margin=case.margin))
            lines[case.name] = found.sequential_test
            promoted[case.name] = found.decision.verdict is Verdict.PROMOTE
    return promoted


def make_history(seed: int) -> History:
    """50,000 decisions of one world, tastes drifting and ids coming and going."""
    world = SimulatedWorld(SimulatedSettings(seed=seed, users=400, items=120, requests_per_day=PER_DAY))
    requests = world.requests(world.day(0, DAYS))
    rng = np.random.default_rng([seed, 99])
    logit = np.log(requests.probability / (1 - requests.probability))
    champion = softmax(logit + 1.5 * rng.normal(size=logit.shape), 0.3)
    differ = (requests.user % DISAGREE == 0)[:, None]
    better = np.where(differ, softmax(8 * logit, 0.05), champion)
    worse = np.where(differ, softmax(-8 * logit, 0.05), champion)
    shown = pick(champion, rng)
    day = np.arange(len(requests)) // PER_DAY
    return History(requests, day, champion, better, worse, shown, world.reward(requests, shown))


def challenger(history: History, gain: float) -> Doubles:
    """(n, k) a policy worth exactly ``1 + gain`` of the champion on every day, differing for a fifth of users.

    An equal challenger still differs: half of those users are led towards worse items, and the
    others towards better ones until it evens out.
    """
    chance, day = history.requests.probability, history.day
    start, towards = history.champion, history.better if gain > 0 else history.worse
    if gain == 0:
        half = (history.requests.user // DISAGREE % 2 == 0)[:, None]
        start = np.where(half, 0.85 * history.champion + 0.15 * history.worse, history.champion)
        towards = np.where(half, start, history.better)

    def per_day(policy: Doubles) -> Doubles:
        return np.bincount(day, (policy * chance).sum(axis=1))

    wanted = (1 + gain) * per_day(history.champion) - per_day(start)
    step = wanted / (per_day(towards) - per_day(start))
    if not ((step >= 0) & (step <= 1)).all():
        raise ValueError(
            f"no mixture is worth {1 + gain:.2f} of the champion: steps {step.min():.2f} to {step.max():.2f}"
        )
    share = step[day][:, None]
    return (1 - share) * start + share * towards


def past_means(history: History) -> Doubles:
    """(n, k) model: mean reward of each item on the days before, shrunken; never the day it judges."""
    item, shown = history.requests.item, history.shown
    day, here = history.day, item[np.arange(len(shown)), shown]
    size = int(item.max()) + 1
    cell = day * size + here
    counts = np.bincount(cell, minlength=DAYS * size).reshape(DAYS, size).cumsum(axis=0)
    sums = np.bincount(cell, history.reward, DAYS * size).reshape(DAYS, size).cumsum(axis=0)
    before = np.zeros((2, 1, size))
    counts, sums = np.vstack([before[0], counts[:-1]]), np.vstack([before[1], sums[:-1]])
    return ((sums + 3.0) / (counts + 10.0))[day[:, None], item]


def paired_width_ratio(seed: int = 0) -> float:
    """Width of the paired interval over that of the difference of two unpaired ones.

    The challenger is the champion with other errors of its scores for a fifth of the users:
    both agree on 80 % of decisions.
    """
    history = make_history(seed)
    chance = history.requests.probability
    noise = 1.5 * np.random.default_rng([seed, 7]).normal(size=chance.shape)
    retrained = softmax(np.log(chance / (1 - chance)) + noise, 0.3)
    differ = (history.requests.user % DISAGREE == 0)[:, None]
    log = as_log(history.champion, history.shown, history.reward)
    q = past_means(history).ravel()
    ours = parts(log, np.where(differ, retrained, history.champion).ravel(), q)
    theirs = parts(log, history.champion.ravel(), q)
    paired_width = _width(signed_interval(difference(ours, theirs).each, 0.05))
    unpaired = [_width(skew_interval(dr(p).each, 0.05)) for p in (ours, theirs)]
    return paired_width / float(np.hypot(*unpaired))


def _width(bounds: Interval) -> float:
    return bounds.upper - bounds.lower


@dataclass
class Dipping:
    """Shares of histories; "ahead": its paired lower bound is above 0, whatever the diagnostics say.

    The power figures are of a challenger that is truly 8 % better, judged on the held-out share or on all.
    """

    memoriser_promoted: float = 0.0
    memoriser_refused_without_holding_out: float = 0.0
    memoriser_ahead_without_holding_out: float = 0.0
    power_held_out: float = 0.0
    power_cross_fitted: float = 0.0


def double_dipping(histories: int, seed: int, n: int = 2000, share: float = 0.3) -> Dipping:
    """A challenger that memorises rewards per user and item, on permuted rewards: nothing is there to learn."""
    pool, rng, out = make_pool(0.3, seed), np.random.default_rng([seed, 5]), Dipping()
    for _ in range(histories):
        who = rng.integers(len(pool.requests), size=n)
        logging, item, user = pool.logging[who], pool.requests.item[who], pool.requests.user[who]
        shown = pick(logging, rng)
        chance = pool.requests.probability[who]
        earned = (rng.random(n) < chance[np.arange(n), shown]).astype(float)
        reward = rng.permutation(earned)
        held = rng.random(user.max() + 1)[user] < share

        everything = np.ones(n, bool)
        honest = memoriser(logging, item, user, shown, reward, ~held)
        greedy = memoriser(logging, item, user, shown, reward, everything)
        truly = _gain(logging, chance, 0.08, rng)
        played = Shown(logging, shown, reward)
        genuine = Shown(logging, shown, earned)
        out.memoriser_promoted += played.promotes(honest, held) / histories
        out.memoriser_refused_without_holding_out += bool(played.judged(greedy, everything).refused) / histories
        out.memoriser_ahead_without_holding_out += played.ahead(greedy) / histories
        out.power_held_out += genuine.promotes(truly, held) / histories
        out.power_cross_fitted += genuine.promotes(truly, everything) / histories
    return out


@dataclass(frozen=True)
class Shown:
    """What n requests saw: logging policy (n, k), entry shown and reward (n,)."""

    logging: Doubles
    shown: np.ndarray
    reward: Doubles

    def judged(self, target: Doubles, rows: np.ndarray) -> Evaluation:
        """The evaluation of a target on some of the rows, asked for superiority."""
        log = as_log(self.logging[rows], self.shown[rows], self.reward[rows])
        champion = self.logging[rows].ravel()
        return evaluate(
            log, target[rows].ravel(), champion, None, EvaluateSettings(bootstrap_resamples=0), kind="change"
        )

    def promotes(self, target: Doubles, rows: np.ndarray) -> bool:
        """Whether it is promoted."""
        return self.judged(target, rows).verdict is Verdict.PROMOTE

    def ahead(self, target: Doubles) -> bool:
        """Whether its lower bound on all rows is above 0, diagnostics ignored."""
        log = as_log(self.logging, self.shown, self.reward)
        gap = difference(parts(log, target.ravel()), parts(log, self.logging.ravel()))
        return signed_interval(gap.each, 0.05).lower > 0


def memoriser(
    logging: Doubles, item: np.ndarray, user: np.ndarray, shown: np.ndarray, reward: Doubles, learned: np.ndarray
) -> Doubles:
    """(n, k) a policy that raises what earned in the learned rows, per item and per user and item."""
    rows = np.flatnonzero(learned)
    size = int(item.max()) + 1
    here, got = item[rows, shown[rows]], reward[rows] - reward[rows].mean()
    per_item = np.bincount(here, got, size) / (np.bincount(here, minlength=size) + 1)
    per_pair = np.zeros((int(user.max()) + 1, size))
    np.add.at(per_pair, (user[rows], here), got)
    return softmax(np.log(logging) + per_item[item] + per_pair[user[:, None], item], 0.05)


def _gain(logging: Doubles, chance: Doubles, gain: float, rng: np.random.Generator) -> Doubles:
    """A policy that differs at random from the logger, then led towards the best until worth `1 + gain` of it."""
    start = softmax(np.log(logging) + rng.normal(size=logging.shape), 0.1)
    best = softmax(4 * np.log(chance / (1 - chance)), 0.1)
    value, begun, top = ((policy * chance).sum() for policy in (logging, start, best))
    step = ((1 + gain) * value - begun) / (top - begun)
    return (1 - step) * start + step * best
