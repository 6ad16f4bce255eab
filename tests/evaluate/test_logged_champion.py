"""Where nobody knows the champion: the difference to what was logged, beside the run that is told it."""

import numpy as np
import pytest

from components.domain import Doubles
from components.evaluate.difference import paired
from components.evaluate.estimators import parts
from components.evaluate.evaluate import EvaluateSettings, evaluate
from components.evaluate.logged_champion import as_logged, paired_with_log
from components.evaluate.logged_decisions import LoggedDecisions

SETTINGS = EvaluateSettings()


def softmax(scores: Doubles) -> Doubles:
    out = np.exp(scores)
    return out / out.sum(axis=1, keepdims=True)


class World:
    """n requests of k entries: a logger, a target that half follows it, and what each entry truly earns."""

    def __init__(self, seed: int, n: int = 400, k: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.tastes = rng.uniform(0.1, 0.6, (n, k))
        scores = rng.normal(size=(n, k))
        self.mu = softmax(0.8 * scores)
        self.pi = softmax(0.8 * scores + 0.6 * rng.normal(size=(n, k)) + self.tastes)
        self.pi[::2] = self.mu[::2]
        shown = (self.mu.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        rows = np.arange(n)
        reward = (rng.random(n) < self.tastes[rows, shown]).astype(float)
        self.log = LoggedDecisions(
            rows, 0 * rows, np.arange(n + 1) * k, rows * k + shown, self.mu[rows, shown], reward, rows, np.ones(n)
        )
        self.q = (self.tastes + 0.1 * rng.normal(size=(n, k))).ravel()
        self.truth = float(((self.pi - self.mu) * self.tastes).sum(axis=1).mean())


def test_without_a_model_it_is_the_difference_to_the_logger_to_the_last_digit() -> None:
    w = World(1)
    ours = parts(w.log, w.pi.ravel())
    told, untold = paired(ours, parts(w.log, w.mu.ravel())), paired_with_log(ours, w.pi.ravel())
    np.testing.assert_allclose(untold.a, told.a, atol=1e-14)
    np.testing.assert_allclose(untold.b, told.b, atol=1e-14)


@pytest.mark.parametrize("modelled", [False, True])
def test_requests_on_which_the_target_does_what_was_logged_say_nothing(modelled: bool) -> None:
    w = World(2)
    ours = parts(w.log, w.mu.ravel(), w.q if modelled else None)
    pair = paired_with_log(ours, w.mu.ravel())
    assert np.abs(pair.corrected).max() < 1e-12


def test_what_was_logged_is_worth_its_mean_reward_exactly() -> None:
    w = World(3)
    found = evaluate(w.log, w.pi.ravel(), None, None, SETTINGS, value_range=(0, np.inf))
    assert found.compared_with == "what was logged"
    assert found.champion_value is not None
    assert found.champion_value.value == pytest.approx(w.log.reward.mean(), abs=1e-15)
    assert found.champion_value.name == "mean"


@pytest.mark.parametrize("modelled", [False, True])
def test_it_covers_as_often_and_is_as_narrow_as_where_the_champion_is_known(modelled: bool) -> None:
    histories = 120
    widths, covered = np.zeros((histories, 2)), np.zeros((histories, 2))
    for seed in range(histories):
        w = World(100 + seed)
        for at, champion in enumerate((w.mu.ravel(), None)):
            q = w.q if modelled else None
            gap = evaluate(w.log, w.pi.ravel(), champion, q, SETTINGS, value_range=(0, np.inf)).difference
            assert gap is not None
            widths[seed, at], covered[seed, at] = gap.upper - gap.lower, gap.lower <= w.truth <= gap.upper
    # three standard errors of a coverage of .95 in 120 histories are .06
    assert covered.mean(axis=0).min() > 0.95 - 0.06
    # the known champion's error is at least what all its weights were bound to give: 3 % here
    assert widths[:, 1].mean() == pytest.approx(widths[:, 0].mean(), rel=0.05)


def test_a_recorded_distribution_makes_the_logger_a_known_champion() -> None:
    w = World(4)
    log = LoggedDecisions(**{f: getattr(w.log, f) for f in w.log.__dataclass_fields__} | {"logging": w.mu.ravel()})
    told = evaluate(log, w.pi.ravel(), w.mu.ravel(), w.q, SETTINGS)
    untold = evaluate(log, w.pi.ravel(), None, w.q, SETTINGS)
    assert untold.difference == told.difference
    assert untold.compared_with == "what was logged"


def test_a_sample_that_drew_alike_entries_is_not_taken_for_certain() -> None:
    n = 200
    rows = np.arange(n)
    log = LoggedDecisions(rows, 0 * rows, 2 * np.arange(n + 1), 2 * rows, np.full(n, 0.9), rows % 2, rows, np.ones(n))
    target = np.tile([0.8, 0.2], n)
    untold = paired_with_log(parts(log, target), target)
    told = paired(parts(log, target), parts(log, np.tile([0.9, 0.1], n)))
    assert untold.spread is not None and told.spread is None
    np.testing.assert_allclose(untold.spread, 0.1**2 / 0.9 + 0.1**2 / 0.1)


def test_slates_on_average_give_the_true_difference_with_a_model_that_knows_nothing_of_it() -> None:
    """Two positions, the second without what stood above; rewards of both add up."""
    rng, m = np.random.default_rng(5), 40_000
    first, second = rng.random(m) < 0.7, rng.random(m) < 0.6
    rows = np.arange(2 * m)
    shown = np.stack([~first, ~second], axis=1).astype(int).ravel()
    propensity = np.stack([np.where(first, 0.7, 0.3), np.where(second, 0.6, 0.4)], axis=1).ravel()
    earns = np.stack([np.where(first, 0.5, 0.2), np.where(second == first, 0.6, 0.1)], axis=1).ravel()
    reward = (rng.random(2 * m) < earns).astype(float)
    offsets = 2 * np.arange(2 * m + 1)
    log = LoggedDecisions(rows // 2, rows % 2, offsets, 2 * rows + shown, propensity, reward, rows, np.ones(2 * m))
    target = np.tile([0.5, 0.5, 0.8, 0.2], m)

    def value(a: float, b: float) -> float:
        return a * 0.5 + (1 - a) * 0.2 + (a * b + (1 - a) * (1 - b)) * 0.6 + (a * (1 - b) + (1 - a) * b) * 0.1

    truth = value(0.5, 0.8) - value(0.7, 0.6)
    for q in (None, rng.random(4 * m)):
        each = paired_with_log(parts(log, target, q), target).corrected
        assert abs(each.mean() - truth) < 4 * each.std() / np.sqrt(m)


def test_shares_of_a_subsampled_log_weigh_both_sides() -> None:
    w = World(6)
    share = np.where(np.arange(400) % 3 == 0, 2.0, 0.5)
    pair = paired_with_log(parts(w.log, w.pi.ravel(), share=share), w.pi.ravel())
    told = paired(parts(w.log, w.pi.ravel(), share=share), as_logged(w.log, share / share.mean()))
    np.testing.assert_allclose(pair.a, told.a, atol=1e-14)
