import numpy as np
import pytest

from components.domain import DAY, HOUR, ContractBroken, Window
from components.world.laws import SimulatedSettings, described
from components.world.simulated import SimulatedWorld

SMALL = SimulatedSettings(seed=3, users=50, items=40, requests_per_day=60, eligible=4)


@pytest.fixture(scope="module")
def world():
    return SimulatedWorld(SMALL)


def test_a_window_cut_in_two_holds_the_same_requests(world):
    whole = world.requests(world.day(0, 2))
    middle = SMALL.start + DAY + 5 * HOUR
    first = world.requests(Window(SMALL.start, middle))
    second = world.requests(Window(middle, SMALL.start + 2 * DAY))
    np.testing.assert_array_equal(np.concatenate([first.at, second.at]), whole.at)
    np.testing.assert_array_equal(np.concatenate([first.luck, second.luck]), whole.luck)


def test_the_same_seed_is_the_same_world_and_another_is_another(world):
    again, other = SimulatedWorld(SMALL), SimulatedWorld(SMALL.model_copy(update={"seed": 4}))
    day = world.day(0)
    np.testing.assert_array_equal(world.requests(day).probability, again.requests(day).probability)
    assert (world.requests(day).user != other.requests(day).user).any()


def test_eligible_items_are_distinct_and_requests_ascend_in_time(world):
    r = world.requests(world.day(0, 3))
    assert all(len(set(row)) == 4 for row in r.item.tolist())
    assert (np.diff(r.at) >= 0).all()


def test_prices_change_amounts_and_leave_everything_else_as_it_was(world):
    day = world.day(0)
    priced = SimulatedWorld(SMALL.model_copy(update={"price_spread": 0.9, "price_noise": 0.5}))
    ours, theirs = priced.requests(day), world.requests(day)
    for name in ("user", "at", "item", "probability", "luck", "delay"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert (theirs.amount == SMALL.price).all() and ours.amount.std() > 0
    log = priced.interactions(day)
    assert ((log["amount"] > 0) == (log["reward"] > 0)).all()


def test_a_reward_brings_on_average_what_its_item_is_worth():
    world = SimulatedWorld(SMALL.model_copy(update={"price_spread": 0.9, "price_noise": 0.5}))
    r = world.requests(world.day(0, 30))
    share = r.amount / world.worth(r.item)
    # A lognormal of sd .5 has a relative deviation of sqrt(exp(.25) - 1) = .53; four standard errors.
    assert share.mean() == pytest.approx(1.0, abs=4 * 0.53 / np.sqrt(share.size))


def test_a_bargain_is_bought_more_often(world):
    cheap = SimulatedWorld(SMALL.model_copy(update={"price_spread": 0.9, "bargain": 1.0}))
    day = world.day(0)
    lost = np.log(cheap.requests(day).probability / world.requests(day).probability)
    assert np.corrcoef(lost.ravel(), np.log(cheap.worth(cheap.requests(day).item)).ravel())[0, 1] < -0.8


def test_items_arrive_and_depart(world):
    early, late = (set(world.requests(world.day(d, 5)).item.ravel().tolist()) for d in (0, 80))
    assert late - early and early - late


def test_tastes_turn_with_time(world):
    user, item = np.array([5]), np.array([[7]])
    chance = [world.probability(user, item, np.array([SMALL.start + d * DAY]))[0, 0] for d in (0, 1, 120)]
    assert abs(chance[1] - chance[0]) < 0.05
    assert chance[2] != pytest.approx(chance[0])


def test_an_item_s_appeal_passes_and_without_one_the_world_is_as_before():
    world = SimulatedWorld(SMALL.model_copy(update={"appeal": 1.0, "appeal_turn_days": 5.0, "sharpness": 0.0}))
    users, items = np.arange(50), np.tile(np.arange(40), (50, 1))
    first, second, later = (world.probability(users, items, np.full(50, SMALL.start + d * DAY)) for d in (0, 1, 10))
    assert (first == first[0]).all(), "without sharpness all users are alike"
    assert np.corrcoef(first[0], second[0])[0, 1] > 0.9 > 0.7 > np.corrcoef(first[0], later[0])[0, 1]
    plain = SimulatedWorld(SMALL).requests(world.day(0))
    np.testing.assert_array_equal(plain.item, world.requests(world.day(0)).item)


def test_an_aisle_tells_in_which_direction_of_taste_an_item_lies():
    world = SimulatedWorld(SMALL.model_copy(update={"tastes": 2, "sharpness": 3.0, "items": 200}))
    items = np.arange(200)
    assert set(world.aisle(items)) == {"a0+", "a0-", "a1+", "a1-"}
    chance = world.probability(np.arange(50), np.tile(items, (50, 1)), np.full(50, SMALL.start))
    like = {a: chance[:, world.aisle(items) == a].mean(axis=1) for a in ("a0+", "a0-")}
    assert np.corrcoef(like["a0+"], like["a0-"])[0, 1] < -0.5


def test_a_law_that_is_none_is_named():
    with pytest.raises(ContractBroken, match=r"\[simulated.laws\], gravity: .* received 9.81"):
        described({"gravity": 9.81})
    assert described({"users": 7.0}).users == 7


def test_the_value_of_a_policy_is_the_mean_of_what_it_would_earn():
    world = SimulatedWorld(SMALL.model_copy(update={"requests_per_day": 20_000}))
    r = world.requests(world.day(0))
    policy = np.tile([0.1, 0.2, 0.3, 0.4], (len(r), 1))
    shown = np.random.default_rng(0).choice(4, p=policy[0], size=len(r))
    earned = world.reward(r, shown)
    assert earned.mean() == pytest.approx(world.value(r, policy), abs=4 * earned.std() / np.sqrt(len(r)))


def test_lower_positions_are_examined_less(world):
    r = world.requests(world.day(0, 20))
    shown = np.zeros(len(r), np.int64)
    assert world.examined(0) == 1
    assert (world.reward(r, shown, 3) <= world.reward(r, shown, 0)).all()
    assert world.reward(r, shown, 3).mean() < 0.6 * world.reward(r, shown, 0).mean()


def _plackett_luce(weight):
    def conditional(prefix):
        left = weight.copy()
        left[:, list(prefix)] = 0
        return left / left.sum(axis=1, keepdims=True)

    return conditional


def test_the_value_of_a_slate_policy_is_the_mean_of_what_its_slates_would_earn():
    world = SimulatedWorld(SMALL.model_copy(update={"requests_per_day": 20_000}))
    r = world.requests(world.day(0))
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.2, 2, (len(r), 4))
    order = np.argsort(rng.exponential(size=weight.shape) / weight, axis=1)
    earned = sum(world.reward(r, order[:, position], position) for position in range(3))
    exact = world.slate_value(r, _plackett_luce(weight), 3)
    assert exact == pytest.approx(earned.mean(), abs=4 * earned.std() / np.sqrt(len(r)))


def test_a_slate_of_one_is_worth_what_one_item_is(world):
    r = world.requests(world.day(0))
    weight = np.random.default_rng(2).uniform(0.2, 2, (len(r), 4))
    policy = weight / weight.sum(axis=1, keepdims=True)
    assert world.slate_value(r, _plackett_luce(weight), 1) == pytest.approx(world.value(r, policy))


def test_interactions_are_what_every_eligible_item_would_earn_and_come_late(world):
    day = world.day(0)
    r, log = world.requests(day), world.interactions(day)
    assert len(log) == r.item.size
    assert log["reward"].sum() == (r.luck < r.probability).sum()
    assert log["timestamp"].is_monotonic_increasing
    assert (log["timestamp"].to_numpy() >= r.at.min()).all()


def test_fewer_items_than_an_eligible_set_needs_is_an_error():
    with pytest.raises(ValueError, match="3 items for eligible sets of 10"):
        SimulatedWorld(SimulatedSettings(items=3))
