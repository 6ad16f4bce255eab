"""What every policy is held to, as functions of a policy."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from components.policy.plackett_luce import PlackettLuce
from components.policy.slates import Shown

OFFSETS = np.array([0, 1, 4, 9, 11])
SCORES = np.array([5.0, 0.1, -2.0, 0.7, 1.0, 1.0, 0.0, -1.0, 3.0, 1e4, -1e4])


def first_position_probabilities_sum_to_one(policy: PlackettLuce) -> None:
    total = np.add.reduceat(policy.predict(SCORES, OFFSETS), OFFSETS[:-1])
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def every_propensity_is_at_least_the_floor(policy: PlackettLuce) -> None:
    floor = policy.settings.epsilon / np.repeat(np.diff(OFFSETS), np.diff(OFFSETS))
    assert (policy.predict(SCORES, OFFSETS) >= floor).all()


def one_eligible_item_has_propensity_one(policy: PlackettLuce) -> None:
    drawn = policy.sample(np.array([-3.0]), np.array([0, 1]), 1, np.random.default_rng(0))
    assert drawn.propensity.tolist() == [1.0]
    assert drawn.shown.entry.tolist() == [0]


def the_last_remaining_item_has_propensity_one(policy: PlackettLuce) -> None:
    drawn = policy.sample(SCORES, OFFSETS, np.diff(OFFSETS), np.random.default_rng(0))
    last = drawn.shown.offsets[1:] - 1
    np.testing.assert_allclose(drawn.propensity[last], 1, rtol=1e-15)


def huge_scores_do_not_overflow(policy: PlackettLuce) -> None:
    scores = np.array([1e300, -1e300, 0.0, 1e300])
    with np.errstate(over="raise", invalid="raise"):
        p = policy.predict(scores, np.array([0, 4]))
        drawn = policy.sample(scores, np.array([0, 4]), 4, np.random.default_rng(0))
    assert np.isfinite(p).all()
    assert p.sum() == pytest.approx(1)
    assert sorted(drawn.shown.entry) == [0, 1, 2, 3]
    assert (drawn.propensity > 0).all()


def logged_propensity_is_recomputed_to_the_last_bit_whatever_it_is_batched_with(policy: PlackettLuce) -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 300, 40)
    offsets = np.append(0, np.cumsum(lengths))
    scores = rng.normal(0, 3, offsets[-1])
    sizes = np.minimum(5, lengths)
    drawn = policy.sample(scores, offsets, sizes, rng)
    assert np.array_equal(policy.score(scores, offsets, drawn.shown), drawn.propensity)
    for i in range(len(lengths)):
        alone = Shown(
            drawn.shown.entry[drawn.shown.offsets[i] : drawn.shown.offsets[i + 1]] - offsets[i],
            np.array([0, sizes[i]]),
        )
        logged = drawn.propensity[drawn.shown.offsets[i] : drawn.shown.offsets[i + 1]]
        part = scores[offsets[i] : offsets[i + 1]]
        assert np.array_equal(policy.score(part, np.array([0, len(part)]), alone), logged)


def sampled_slates_are_as_frequent_as_their_propensity_says(policy: PlackettLuce) -> None:
    n, scores = 40_000, np.array([0.3, -0.4, 1.0])
    offsets = np.arange(n + 1) * 3
    drawn = policy.sample(np.tile(scores, n), offsets, 2, np.random.default_rng(7))
    slates = (drawn.shown.entry - np.repeat(offsets[:-1], 2)).reshape(n, 2)
    for slate in permutations(range(3), 2):
        p = policy.score(scores, np.array([0, 3]), Shown(np.array(slate), np.array([0, 2]))).prod()
        frequency = (slates == slate).all(1).mean()
        assert abs(frequency - p) <= 4.5 * np.sqrt(p * (1 - p) / n) + 1e-12, slate


def renaming_the_items_renames_the_probabilities(policy: PlackettLuce) -> None:
    rng = np.random.default_rng(3)
    scores, order = rng.normal(size=50), rng.permutation(50)
    offsets = np.array([0, 50])
    np.testing.assert_allclose(policy.predict(scores[order], offsets), policy.predict(scores, offsets)[order])


def no_item_is_shown_twice_in_a_slate(policy: PlackettLuce) -> None:
    n = 500
    drawn = policy.sample(np.zeros(n * 4), np.arange(n + 1) * 4, 4, np.random.default_rng(0))
    assert (np.sort(drawn.shown.entry.reshape(n, 4) % 4, axis=1) == np.arange(4)).all()


def conditionals_sum_to_one_and_hold_the_propensity_of_what_was_shown(policy: PlackettLuce) -> None:
    drawn = policy.sample(SCORES, OFFSETS, np.minimum(3, np.diff(OFFSETS)), np.random.default_rng(5))
    given = policy.conditionals(SCORES, OFFSETS, drawn.shown)
    np.testing.assert_allclose(np.add.reduceat(given.probability, given.offsets[:-1]), 1, rtol=1e-12)
    owner = np.repeat(np.arange(len(drawn.propensity)), np.diff(given.offsets))
    hit = given.entry == drawn.shown.entry[owner]
    assert np.array_equal(given.probability[hit], drawn.propensity)
    assert np.array_equal(np.diff(given.offsets), np.diff(OFFSETS)[drawn.shown.request] - drawn.shown.position)


def no_requests_give_no_slates(policy: PlackettLuce) -> None:
    nothing = policy.sample(np.empty(0), np.array([0]), 3, np.random.default_rng(0))
    assert len(nothing.propensity) == 0
    assert len(policy.predict(np.empty(0), np.array([0]))) == 0
    assert len(policy.conditionals(np.empty(0), np.array([0]), nothing.shown).entry) == 0


CHECKS: tuple[Callable[[PlackettLuce], None], ...] = (
    first_position_probabilities_sum_to_one,
    every_propensity_is_at_least_the_floor,
    one_eligible_item_has_propensity_one,
    the_last_remaining_item_has_propensity_one,
    huge_scores_do_not_overflow,
    logged_propensity_is_recomputed_to_the_last_bit_whatever_it_is_batched_with,
    sampled_slates_are_as_frequent_as_their_propensity_says,
    renaming_the_items_renames_the_probabilities,
    no_item_is_shown_twice_in_a_slate,
    conditionals_sum_to_one_and_hold_the_propensity_of_what_was_shown,
    no_requests_give_no_slates,
)
