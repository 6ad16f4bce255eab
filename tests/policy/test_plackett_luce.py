"""The contract every policy passes, and Plackett-Luce against enumerated truth."""

from itertools import permutations

import numpy as np
import pytest

from components.policy.plackett_luce import PlackettLuce, PolicySettings, Shown

POLICIES = [
    PlackettLuce(),
    PlackettLuce(PolicySettings(temperature=2.0, epsilon=0.0)),
    PlackettLuce(PolicySettings(temperature=0.05, epsilon=0.3)),
    PlackettLuce(PolicySettings(temperature=1.0, epsilon=1.0)),
]
OFFSETS = np.array([0, 1, 4, 9, 11])
SCORES = np.array([5.0, 0.1, -2.0, 0.7, 1.0, 1.0, 0.0, -1.0, 3.0, 1e4, -1e4])


@pytest.fixture(params=POLICIES, ids=lambda p: f"T{p.settings.temperature}-eps{p.settings.epsilon}")
def policy(request):
    return request.param


def test_first_position_probabilities_sum_to_one(policy):
    total = np.add.reduceat(policy.predict(SCORES, OFFSETS), OFFSETS[:-1])
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_every_propensity_is_at_least_the_floor(policy):
    floor = policy.settings.epsilon / np.repeat(np.diff(OFFSETS), np.diff(OFFSETS))
    assert (policy.predict(SCORES, OFFSETS) >= floor).all()


def test_one_eligible_item_has_propensity_one(policy):
    drawn = policy.sample(np.array([-3.0]), np.array([0, 1]), 1, np.random.default_rng(0))
    assert drawn.propensity.tolist() == [1.0]
    assert drawn.shown.entry.tolist() == [0]


def test_the_last_remaining_item_has_propensity_one(policy):
    drawn = policy.sample(SCORES, OFFSETS, np.diff(OFFSETS), np.random.default_rng(0))
    last = drawn.shown.offsets[1:] - 1
    np.testing.assert_allclose(drawn.propensity[last], 1, rtol=1e-15)


def test_huge_scores_do_not_overflow(policy):
    scores = np.array([1e300, -1e300, 0.0, 1e300])
    with np.errstate(over="raise", invalid="raise"):
        p = policy.predict(scores, np.array([0, 4]))
        drawn = policy.sample(scores, np.array([0, 4]), 4, np.random.default_rng(0))
    assert np.isfinite(p).all()
    assert p.sum() == pytest.approx(1)
    assert sorted(drawn.shown.entry) == [0, 1, 2, 3]
    assert (drawn.propensity > 0).all()


def test_logged_propensity_is_recomputed_to_the_last_bit_whatever_it_is_batched_with(policy):
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


def test_sampled_slates_are_as_frequent_as_their_propensity_says(policy):
    n, scores = 40_000, np.array([0.3, -0.4, 1.0])
    offsets = np.arange(n + 1) * 3
    drawn = policy.sample(np.tile(scores, n), offsets, 2, np.random.default_rng(7))
    slates = (drawn.shown.entry - np.repeat(offsets[:-1], 2)).reshape(n, 2)
    for slate in permutations(range(3), 2):
        p = policy.score(scores, np.array([0, 3]), Shown(np.array(slate), np.array([0, 2]))).prod()
        frequency = (slates == slate).all(1).mean()
        assert abs(frequency - p) <= 4.5 * np.sqrt(p * (1 - p) / n) + 1e-12, slate


def test_renaming_the_items_renames_the_probabilities(policy):
    rng = np.random.default_rng(3)
    scores, order = rng.normal(size=50), rng.permutation(50)
    offsets = np.array([0, 50])
    np.testing.assert_allclose(policy.predict(scores[order], offsets), policy.predict(scores, offsets)[order])


def test_no_item_is_shown_twice_in_a_slate(policy):
    n = 500
    drawn = policy.sample(np.zeros(n * 4), np.arange(n + 1) * 4, 4, np.random.default_rng(0))
    assert (np.sort(drawn.shown.entry.reshape(n, 4) % 4, axis=1) == np.arange(4)).all()


def test_conditionals_sum_to_one_and_hold_the_propensity_of_what_was_shown(policy):
    drawn = policy.sample(SCORES, OFFSETS, np.minimum(3, np.diff(OFFSETS)), np.random.default_rng(5))
    given = policy.conditionals(SCORES, OFFSETS, drawn.shown)
    np.testing.assert_allclose(np.add.reduceat(given.probability, given.offsets[:-1]), 1, rtol=1e-12)
    owner = np.repeat(np.arange(len(drawn.propensity)), np.diff(given.offsets))
    hit = given.entry == drawn.shown.entry[owner]
    assert np.array_equal(given.probability[hit], drawn.propensity)
    assert np.array_equal(np.diff(given.offsets), np.diff(OFFSETS)[drawn.shown.request] - drawn.shown.position)


def test_probabilities_equal_an_independent_enumeration():
    policy = PlackettLuce(PolicySettings(temperature=0.7, epsilon=0.2))
    scores, slate = np.array([0.2, 1.5, -0.3, 0.9]), [3, 1, 0]
    expected, left = [], [0, 1, 2, 3]
    for chosen in slate:
        soft = np.exp(scores[left] / 0.7) / np.exp(scores[left] / 0.7).sum()
        expected.append(0.8 * soft[left.index(chosen)] + 0.2 / len(left))
        left.remove(chosen)
    shown = Shown(np.array(slate), np.array([0, 3]))
    np.testing.assert_allclose(policy.score(scores, np.array([0, 4]), shown), expected, rtol=1e-14)


def test_requests_of_different_slate_sizes_do_not_disturb_each_other():
    policy = PlackettLuce()
    drawn = policy.sample(SCORES, OFFSETS, np.array([1, 3, 1, 2]), np.random.default_rng(0))
    assert np.array_equal(np.diff(drawn.shown.offsets), [1, 3, 1, 2])
    assert drawn.shown.position.tolist() == [0, 0, 1, 2, 0, 0, 1]
    inside = (drawn.shown.entry >= OFFSETS[drawn.shown.request]) & (
        drawn.shown.entry < OFFSETS[drawn.shown.request + 1]
    )
    assert inside.all()


def test_no_requests_give_no_slates(policy):
    nothing = policy.sample(np.empty(0), np.array([0]), 3, np.random.default_rng(0))
    assert len(nothing.propensity) == 0
    assert len(policy.predict(np.empty(0), np.array([0]))) == 0
    assert len(policy.conditionals(np.empty(0), np.array([0]), nothing.shown).entry) == 0


@pytest.mark.parametrize(
    ("scores", "offsets", "size", "message"),
    [
        ([1.0, 2.0], [0, 2, 2], 1, "request 1 has an empty eligible set"),
        ([1.0, np.nan], [0, 2], 1, "score of entry 1 is nan"),
        ([1.0, np.inf], [0, 2], 1, "score of entry 1 is inf"),
        ([1.0, 2.0], [0, 3], 1, "offsets must run from 0"),
        ([1.0, 2.0], [0, 2], 0, "slate size is 0; allowed is 1 to 2"),
        ([1.0, 2.0], [0, 2], 3, "slate size is 3; allowed is 1 to 2"),
    ],
)
def test_bad_input_is_refused_by_name(policy, scores, offsets, size, message):
    with pytest.raises(ValueError, match=message):
        policy.sample(np.array(scores), np.array(offsets), size, np.random.default_rng(0))


@pytest.mark.parametrize(("entries", "position"), [([0, 0], 1), ([2, 0], 0), ([0, 5], 1)])
def test_a_slate_that_could_not_have_been_shown_is_refused(policy, entries, position):
    shown = Shown(np.array(entries), np.array([0, 2]))
    with pytest.raises(ValueError, match=f"at position {position}, which is not eligible"):
        policy.score(np.zeros(4), np.array([0, 2, 4]), Shown(shown.entry, np.array([0, 2, 2])))


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"epsilon": 1.1}, {"epsilon": -0.1}, {"tempreature": 1.0}])
def test_settings_outside_their_range_or_unknown_are_errors(bad):
    with pytest.raises(ValueError, match="validation error"):
        PolicySettings(**bad)


def test_widening_never_narrows():
    assert PolicySettings(epsilon=0.8).widened(3.0).epsilon == 0.8
    with pytest.raises(ValueError, match="exploration factor"):
        PolicySettings().widened(0.5)
