"""Slate models against every slate that could have been drawn: expectations are exact, so are the assertions."""

from itertools import permutations

import numpy as np
import pytest

from components.domain import ContractBroken
from components.evaluate.difference import gap_spread, paired
from components.evaluate.eligible_slates import eligible_slates, strengths
from components.evaluate.estimators import dr, ips, parts
from components.evaluate.slates import ASSUMED, WholeSlates, at_position
from components.policy.slots import Strengths, joint, marginals
from tests.evaluate.enumerated_slates import all_slates
from tests.evaluate.tiny import replaced

RNG = np.random.default_rng(5)
K, LENGTH = 5, 3
LOGGED, OURS, THEIRS = RNG.normal(size=(3, K))
EFFECT = RNG.uniform(0.1, 0.9, (K, LENGTH))
CROSSED = RNG.uniform(0.0, 0.3, (LENGTH, K, LENGTH))
Q = RNG.uniform(0.1, 0.9, K)


def rewards(kind, slate):
    """(m, L) expected reward of each position under a law of users."""
    own = EFFECT[slate, np.arange(LENGTH)]
    if kind == "independent":
        return own
    if kind == "additive":
        return np.stack([CROSSED[at, slate, np.arange(LENGTH)].sum(axis=1) for at in range(LENGTH)], axis=1)
    above = np.cumprod(np.column_stack([np.ones(len(slate)), 1 - 0.9 * own[:, :-1]]), axis=1)
    return own * above


@pytest.fixture(scope="module")
def everything():
    return all_slates(LOGGED, LENGTH, 0.1)


def with_rewards(everything, kind):
    return replaced(everything.log, reward=rewards(kind, everything.slate).ravel())


def true_value(scores, floor, kind):
    target = all_slates(scores, LENGTH, floor)
    return target.mean(rewards(kind, target.slate).sum(axis=1))


def parts_by(model, log, target, q):
    return (
        parts(log, target, q) if model == "cascade" else WholeSlates.of(log, log.logging).parts(model, target, q, None)
    )


def q_of(everything, log):
    """(nnz,) wrong model that falls by position."""
    whole = everything.conditionals(np.log(Q), 0.0)
    return whole * (1 + log.position[log.row_of_entry])


@pytest.mark.parametrize("estimator", [ips, dr])
@pytest.mark.parametrize(
    ("model", "law"),
    [
        ("cascade", "cascade"),
        ("cascade", "independent"),
        ("independent", "independent"),
        ("additive", "additive"),
        ("additive", "independent"),
    ],
)
def test_the_expectation_is_the_value_where_the_assumption_holds(everything, model, law, estimator):
    log = with_rewards(everything, law)
    target = everything.conditionals(OURS, 0.2)
    found = estimator(parts_by(model, log, target, q_of(everything, log)))
    assert everything.mean(found.each) == pytest.approx(true_value(OURS, 0.2, law), abs=1e-9)


@pytest.mark.parametrize(("model", "least"), [("independent", 0.005), ("additive", 0.0005)])
def test_a_cascade_biases_what_denies_that_the_items_above_matter(everything, model, least):
    log = with_rewards(everything, "cascade")
    found = ips(parts_by(model, log, everything.conditionals(OURS, 0.2), None))
    assert abs(everything.mean(found.each) - true_value(OURS, 0.2, "cascade")) > least


@pytest.mark.parametrize("model", ASSUMED)
def test_weights_have_mean_1_and_the_gap_s_spread_is_what_enumeration_finds(everything, model):
    log = everything.log
    ours, theirs = everything.conditionals(OURS, 0.2), everything.conditionals(THEIRS, 0.0)
    one, other = (parts_by(model, log, policy, None) for policy in (ours, theirs))
    assert everything.mean(one.weight.request) == pytest.approx(1, abs=1e-9)
    spread = (
        gap_spread(one, other, ours, theirs)
        if model == "cascade"
        else WholeSlates.of(log, log.logging).gap_spread(model, ours, theirs)
    )
    gap = paired(one, other).b
    assert everything.mean(spread) == pytest.approx(everything.mean(gap * gap), rel=1e-9)


def test_the_more_is_assumed_the_less_weights_spread(everything):
    target = everything.conditionals(OURS, 0.2)
    spread = [
        everything.mean(parts_by(model, everything.log, target, None).weight.request ** 2)
        for model in ("cascade", "additive", "independent")
    ]
    assert spread == sorted(spread, reverse=True)


@pytest.mark.parametrize("model", ASSUMED)
def test_positions_add_up_to_the_slate(everything, model):
    log = with_rewards(everything, "independent")
    whole = parts_by(model, log, everything.conditionals(OURS, 0.2), q_of(everything, log))
    slots = sum(dr(at_position(whole, at)).each for at in range(LENGTH))
    np.testing.assert_allclose(slots, dr(whole).each)


@pytest.mark.parametrize(("k", "length"), [(5, 3), (4, 4), (6, 2), (3, 1)])
def test_marginals_and_joint_probabilities_are_those_of_all_orderings(k, length):
    policy = Strengths(RNG.dirichlet(np.ones(k), size=3), np.array([0.0, 0.2, 1.0]))
    expected = np.zeros((3, length * k, length * k))
    for order in permutations(range(k), length):
        chance = np.ones(3)
        for at, item in enumerate(order):
            left = [other for other in range(k) if other not in order[:at]]
            own = policy.strength[:, item] / policy.strength[:, left].sum(axis=1)
            chance *= (1 - policy.floor) * own + policy.floor / len(left)
        shown = np.zeros(length * k)
        shown[[at * k + item for at, item in enumerate(order)]] = 1
        expected += chance[:, None, None] * np.outer(shown, shown)
    np.testing.assert_allclose(joint(policy, length), expected, atol=1e-12)
    diagonal = np.einsum("rii->ri", expected).reshape(3, length, k)
    np.testing.assert_allclose(marginals(policy, length), diagonal, atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.1, 0.7])
def test_strengths_and_floor_are_read_off_the_conditionals(everything, floor):
    log = everything.log
    (found,) = strengths(log, eligible_slates(log), everything.conditionals(OURS, floor), "the target")
    np.testing.assert_allclose(found.floor, floor, atol=1e-9)
    np.testing.assert_allclose(found.strength, np.exp(OURS) / np.exp(OURS).sum() + 0 * found.strength)


def test_a_uniform_policy_has_equal_strengths_whatever_its_floor(everything):
    log = everything.log
    (found,) = strengths(log, eligible_slates(log), everything.conditionals(OURS, 1.0), "the target")
    np.testing.assert_allclose(found.following(np.zeros(found.strength.shape, bool)), 1 / K)


def test_two_loggers_have_each_its_own_floor():
    one, two = all_slates(LOGGED, LENGTH, 0.1), all_slates(OURS, LENGTH, 0.5)
    m, n = len(one.slate), len(one.log)
    log = replaced(
        one.log,
        request=np.append(one.log.request, one.log.request + m),
        offsets=np.append(one.log.offsets, two.log.offsets[1:] + one.log.entries),
        action=np.append(one.log.action, two.log.action + one.log.entries),
        logger=np.repeat([1, 2], n),
        **{name: np.tile(getattr(one.log, name), 2) for name in ("position", "reward", "at")},
        **{name: np.append(getattr(one.log, name), getattr(two.log, name)) for name in ("propensity", "logging")},
    )
    (found,) = strengths(log, eligible_slates(log), log.logging, "the logger", log.logger[log.starts])
    np.testing.assert_allclose(found.floor, np.repeat([0.1, 0.5], m), atol=1e-9)
    with pytest.raises(ContractBroken, match="off by"):
        strengths(log, eligible_slates(log), log.logging, "the logger")


def test_a_policy_that_draws_otherwise_is_refused(everything):
    twisted = everything.conditionals(OURS, 0.2)
    rows = everything.log.position[everything.log.row_of_entry] == 2
    twisted[rows] = everything.conditionals(THEIRS, 0.2)[rows]
    with pytest.raises(ContractBroken, match=r"the target of row \d+ is off by"):
        WholeSlates.of(everything.log, everything.log.logging).parts("independent", twisted, None, None)


def test_a_logger_that_did_not_draw_the_log_is_refused(everything):
    with pytest.raises(ContractBroken, match="another policy drew"):
        WholeSlates.of(everything.log, everything.conditionals(OURS, 0.1))


def test_eligible_sets_that_do_not_shrink_and_slates_too_large_are_refused():
    replayed = all_slates(LOGGED, 2, 0.1).log
    again = replaced(
        replayed,
        offsets=np.arange(len(replayed) + 1) * K,
        action=np.arange(len(replayed)) * K,
        logging=None,
    )
    with pytest.raises(ContractBroken, match="row 1 has 5 eligible entries; a slate drawn without replacement has 4"):
        eligible_slates(again)
    sizes = np.array([100, 99, 98, 97])
    large = replaced(
        replayed,
        request=[0] * 4,
        position=range(4),
        offsets=np.append(0, np.cumsum(sizes)),
        action=np.cumsum(sizes) - 1,
        propensity=1 / sizes,
        reward=[0] * 4,
        at=[0] * 4,
        logger=[1] * 4,
        logging=None,
    )
    with pytest.raises(ContractBroken, match="slates of 4 out of 100 are too many"):
        eligible_slates(large)
