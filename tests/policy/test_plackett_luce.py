"""The contract every policy passes, and Plackett-Luce against enumerated truth."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest

import components.policy
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.policy.slates import Shown
from tests.contracts.policies import CHECKS, OFFSETS, SCORES

POLICIES = [
    PlackettLuce(),
    PlackettLuce(PolicySettings(temperature=2.0, epsilon=0.0)),
    PlackettLuce(PolicySettings(temperature=0.05, epsilon=0.3)),
    PlackettLuce(PolicySettings(temperature=1.0, epsilon=1.0)),
]


@pytest.fixture(params=POLICIES, ids=lambda p: f"T{p.settings.temperature}-eps{p.settings.epsilon}")
def policy(request):
    return request.param


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_policy(check, policy):
    check(policy)


def test_no_policy_is_left_out():
    names = [f"components.policy.{module.name}" for module in pkgutil.iter_modules(components.policy.__path__)]
    classes = {made for name in names for made in vars(import_module(name)).values() if isinstance(made, type)}
    assert {made for made in classes if hasattr(made, "sample")} == {type(policy) for policy in POLICIES}


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
