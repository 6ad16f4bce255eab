"""What a reward is worth: learned in logs, shrunk, forgotten, in any unit."""

from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.amounts import revenue
from components.domain import DAY, Doubles, Floats, Matured
from components.memory.amounts import Amounts
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from tests.memory.world import HIDDEN, SPEC, World, examples, world

SETTINGS = MemorySettings()
NOISE = 1.0


@dataclass(frozen=True)
class Shop:
    """Sales in a world of lognormal amounts: a quarter earns nothing, and cheap items sell oftener."""

    world: World
    reward: Floats
    amount: Floats
    worth: Doubles

    @property
    def matured(self) -> Matured:
        return Matured(self.world.examples, self.reward, self.amount)


def shop(rows: int, seed: int = 0, items: int = 40, days: float = 20.0, unit: float = 1.0) -> Shop:
    """Log prices of items with sd .8 and of users with sd .3 around 3; a sale scatters around them with sd `NOISE`."""
    rng = np.random.default_rng(seed)
    price, purse = rng.normal(3.0, 0.8, items), rng.normal(0.0, 0.3, 60)
    user, item = rng.integers(0, 60, rows), rng.integers(0, items, rows)
    log = price[item] + purse[user]
    reward = (rng.random(rows) < 0.75 - 0.1 * (price[item] - 3.0)).astype(np.float32)
    amount = unit * np.exp(rng.normal(log, NOISE))
    base = world(rows, seed=seed, days=days)
    rows_of = examples(user, item, base.examples.at)
    told = World(rows_of, reward, base.prediction, base.truth)
    return Shop(
        told, reward, np.where(reward > 0, amount, np.nan).astype(np.float32), unit * np.exp(log + NOISE**2 / 2)
    )


def learned(s: Shop) -> Amounts:
    made = Amounts(SPEC, SETTINGS)
    for start in range(0, len(s.reward), 512):
        step = slice(start, start + 512)
        made.learn(s.world.examples.take(step), s.reward[step], s.amount[step])
    return made


def test_what_is_expected_adds_up_to_what_is_earned_and_follows_what_items_are_worth() -> None:
    past, later = shop(6000), shop(2000, seed=0, days=20.0)
    said = learned(past).read(later.world.examples)
    assert np.corrcoef(said, np.log(later.worth))[0, 1] > 0.93
    # A lognormal mean of n sales has a relative error of sqrt(exp(sd^2) - 1) / sqrt(n): .020 of 4,500; four of them.
    spread = np.sqrt(np.exp(NOISE**2) - 1) / np.sqrt(past.reward.sum())
    assert np.exp(said).mean() / later.worth.mean() == pytest.approx(1.0, abs=4 * spread)


def test_a_new_item_stands_where_its_genres_and_its_user_stand() -> None:
    rng = np.random.default_rng(1)
    item = rng.integers(0, 40, 4000)
    at = np.sort(rng.integers(0, 20 * DAY, 4000)) + 1_000 * DAY
    amount = np.exp(np.where(item % 5 == 2, 5.0, 2.0) + rng.normal(0, 0.5, 4000)).astype(np.float32)
    made = Amounts(SPEC, SETTINGS)
    made.learn(examples(item % 7, item, at), np.ones(4000, np.float32), amount)
    unknown = np.array([1001, 1003, 1004, 1002])  # odd ones have a second genre, shared by all; the last is of genre 2
    said = made.read(examples(np.zeros(4, np.int64), unknown, np.full(4, at[-1])))
    assert said[3] > said[:3].max() + 1.0


def test_amounts_in_cents_are_amounts_in_euros_shifted() -> None:
    euros, cents = learned(shop(1500)), learned(shop(1500, unit=100.0))
    rows = shop(50).world.examples
    np.testing.assert_allclose(cents.read(rows) - euros.read(rows), np.log(100), atol=1e-5)  # amounts have 7 digits


def sell(made: Amounts, price: float, day: int, item: int = 4) -> float:
    """Sixty sales of one item on one day; what is then expected of the next."""
    rng = np.random.default_rng(day)
    rows = examples(np.arange(60) % 9, np.full(60, item), np.full(60, day * DAY))
    made.learn(rows, np.ones(60, np.float32), (price * np.exp(rng.normal(0, 0.2, 60))).astype(np.float32))
    return float(np.exp(made.read(rows)).mean())


def test_a_price_that_doubled_is_believed_within_a_season() -> None:
    made = Amounts(SPEC, SETTINGS)
    before = [sell(made, 20.0, day) for day in (1_000, 1_001)][-1]
    after = [sell(made, 40.0, day) for day in range(1_010, 1_091, 10)][-1]
    assert before == pytest.approx(20.0, rel=0.15)
    assert after == pytest.approx(40.0, rel=0.15)


def test_a_slip_of_five_digits_moves_the_level_but_not_the_order_of_items() -> None:
    made = Amounts(SPEC, SETTINGS)
    for day in (1_000, 1_001):
        sell(made, 20.0, day, item=4)
        sell(made, 40.0, day, item=8)
    two = examples(np.array([3, 3]), np.array([4, 8]), np.full(2, 1_001 * DAY))
    made.learn(two.take(slice(0, 1)), np.ones(1, np.float32), np.array([2e6], np.float32))
    cheap, dear = made.read(two)
    assert dear - cheap == pytest.approx(np.log(2), abs=0.25)


def test_where_the_cheap_is_bought_more_often_ranking_by_the_expected_amount_earns_more() -> None:
    earned = revenue("market stall", seed=7, bargain=0.5)
    assert earned["by probability"] < earned["random"], "what is bought most earns least"
    assert earned["by expected amount"] > 1.2 * earned["random"]
    assert earned["by expected amount"] > 0.75 * earned["by the truth"]


def test_nothing_is_expected_above_the_largest_amount_seen_and_before_the_first_all_are_alike() -> None:
    made, s = Amounts(SPEC, SETTINGS), shop(800)
    assert made.read(s.world.examples).tolist() == [0.0] * 800
    made.learn(s.world.examples, np.zeros(800, np.float32), np.zeros(800, np.float32))
    assert made.read(s.world.examples).tolist() == [0.0] * 800, "outcomes without a reward say nothing of amounts"
    made.learn(s.world.examples, s.reward, s.amount)
    assert made.read(s.world.examples).max() <= np.log(np.nanmax(s.amount)) + 1e-9


def test_a_memory_that_learns_amounts_says_the_same_of_probabilities_bit_for_bit() -> None:
    s = shop(1500)
    plain, priced = (ErrorMemory.empty(SPEC, HIDDEN, SETTINGS, amounts=amounts) for amounts in (False, True))
    for memory in (plain, priced):
        memory.prime(s.matured.take(slice(0, 700)))
        memory.learn(
            s.world.examples.take(slice(700, 1500)), s.world.rows(700, 1500)[1], s.reward[700:], s.amount[700:]
        )
    rows, said = s.world.examples, s.world.prediction
    assert plain.compensate(rows, said).tobytes() == priced.compensate(rows, said).tobytes()
    assert plain.log_amount(rows) is None and priced.log_amount(rows) is not None


def test_a_memory_of_amounts_is_saved_loaded_and_copied_to_the_last_bit(tmp_path) -> None:
    s = shop(900)
    memory = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS, amounts=True)
    memory.prime(s.matured)
    memory.save(tmp_path)
    loaded, twin = ErrorMemory.load(tmp_path, SPEC, SETTINGS), memory.copy()
    before = memory.log_amount(s.world.examples)
    assert before is not None
    for other in (loaded, twin):
        said = other.log_amount(s.world.examples)
        assert said is not None and said.tobytes() == before.tobytes()
        assert other.digest() == memory.digest()
    twin.learn(*s.world.rows(0, 500), s.amount[:500])
    again = memory.log_amount(s.world.examples)
    assert again is not None and again.tobytes() == before.tobytes(), "a copy learns for itself"
    plain = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS)
    plain.save(tmp_path / "plain")
    assert ErrorMemory.load(tmp_path / "plain", SPEC, SETTINGS).log_amount(s.world.examples) is None
