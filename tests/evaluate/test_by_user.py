"""Users who come back: their requests are one observation each, in every error."""

import numpy as np
import pytest

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.by_user import collapsed, per_user
from components.evaluate.difference import paired
from components.evaluate.estimators import dr, ips, parts, snips
from components.evaluate.gate import GateState
from components.evaluate.intervals import signed_interval, skew_interval, standard_error
from components.evaluate.logged_decisions import LoggedDecisions
from tests.evaluate.tiny import many, replaced, tiny


def repeated(log: LoggedDecisions, over_entries: Doubles, times: int) -> tuple[LoggedDecisions, Doubles]:
    """Every request `times` over, by the same user: nothing is added that was not known."""
    n, k = len(log), int(log.eligible[0])
    rows = np.tile(np.arange(n), times)
    offsets = np.arange(n * times + 1) * k
    again = LoggedDecisions(
        request=np.arange(n * times),
        position=np.zeros(n * times),
        offsets=offsets,
        action=offsets[:-1] + (log.action - log.offsets[:-1])[rows],
        propensity=log.propensity[rows],
        reward=log.reward[rows],
        at=log.at[rows],
        logger=log.logger[rows],
        user=rows,
    )
    return again, np.tile(over_entries, times)


@pytest.mark.parametrize("estimator", [ips, snips, dr])
def test_requests_told_six_times_make_no_interval_narrower(estimator):
    log, target, q = many(300, seed=1)
    again, target_again = repeated(log, target, 6)
    once, six = (
        skew_interval(estimator(parts(of, pi, model)).clustered, 0.05)
        for of, pi, model in ((log, target, q), (again, target_again, np.tile(q, 6)))
    )
    assert (six.lower, six.upper) == pytest.approx((once.lower, once.upper))
    assert estimator(parts(again, target_again)).ess == pytest.approx(estimator(parts(log, target)).ess)


def test_the_paired_difference_and_its_state_count_users_too():
    log, target, _ = many(300, seed=2)
    again, target_again = repeated(log, target, 4)
    uniform = np.full(log.entries, 0.25)
    once = paired(parts(log, target), parts(log, uniform))
    four = paired(parts(again, target_again), parts(again, np.tile(uniform, 4)))
    assert four.beta == pytest.approx(once.beta)
    ends = [signed_interval(pair.clustered, 0.05) for pair in (once, four)]
    assert (ends[1].lower, ends[1].upper) == pytest.approx((ends[0].lower, ends[0].upper))
    states = [GateState.of(once, log.reward), GateState.of(four, again.reward)]
    assert (states[1].count, states[1].requests) == (300, 1200)
    assert states[1].running(0.05).mean == pytest.approx(states[0].running(0.05).mean)
    assert states[1].running(0.05).variance == pytest.approx(states[0].running(0.05).variance)


def sticky(rng: np.random.Generator, users: int) -> tuple[Doubles, Ints]:
    """Rewards of users with tastes of their own, who come from once to dozens of times (Pareto); their user."""
    times = np.minimum(1 + rng.pareto(1.5, users), 40).astype(int)
    user = np.repeat(np.arange(users), times)
    taste = rng.beta(0.5, 0.5, users)
    return (rng.random(len(user)) < taste[user]).astype(float), user


def test_by_user_intervals_cover_where_intervals_by_request_do_not():
    """600 logs of sticky, heavy-tailed users: nominal 95 %, binomial standard error .9 %."""
    rng = np.random.default_rng(20)
    by_user = by_request = 0
    for _ in range(600):
        reward, user = sticky(rng, 300)
        for each, held in ((collapsed(reward, user), "user"), (reward, "request")):
            bounds = skew_interval(each, 0.05)
            inside = bounds.lower <= 0.5 <= bounds.upper
            by_user += inside and held == "user"
            by_request += inside and held == "request"
    assert 0.92 <= by_user / 600 <= 0.98
    assert by_request / 600 < 0.85


def test_users_of_one_request_each_cost_nothing():
    log, target, _ = many(50, seed=3)
    told = replaced(log, user=np.arange(50)[::-1].copy())
    assert told.cluster is None
    assert standard_error(ips(parts(told, target)).clustered) == standard_error(ips(parts(log, target)).each)


def test_a_cut_log_keeps_its_users():
    log = tiny(user=[7, 7, 3, 7])
    cut = log.take(np.array([True, False, True, True]))
    assert cut.user is not None
    assert cut.user.tolist() == [7, 3, 7]
    assert log.users == 2
    assert per_user(log.reward, log.cluster).tolist() == [0.0, 2.0]


def test_a_request_of_two_users_is_refused_by_row():
    slate = {"request": [1, 1, 2, 2], "position": [0, 1, 0, 1]}
    with pytest.raises(ContractBroken, match="row 1, column user: 5; allowed are one user per request"):
        tiny(**slate, user=[4, 5, 6, 6])
