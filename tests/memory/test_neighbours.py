"""Neighbours: an inverted file against exact search, and what is no longer kept."""

import numpy as np
import pytest

from components.domain import DAY, Examples, Prediction
from components.memory.neighbour_view import NeighbourView
from components.memory.settings import MemorySettings
from components.memory.views import build
from tests.memory.world import HIDDEN, SPEC, examples, world

NOW = 100 * DAY
BOTH = pytest.mark.parametrize("exact", [False, True])


def neighbours(exact: bool, **changed: float) -> NeighbourView:
    settings = MemorySettings(views=("neighbours",), neighbours_exact=exact).model_copy(update=changed)
    view = build(SPEC, HIDDEN, settings, 0)["neighbours"]
    assert isinstance(view, NeighbourView)
    return view


def alike(n: int, rng: np.random.Generator) -> tuple[Examples, Prediction, np.ndarray, np.ndarray]:
    """Outcomes along a bent line of hidden states, on whose one half the model is too low and on the other too high."""
    where = rng.random(n)
    angle = np.pi * where[:, None] * np.arange(1, HIDDEN + 1) / 4
    hidden = (np.cos(angle) + 0.05 * rng.normal(size=(n, HIDDEN))).astype(np.float32)
    truth = np.where(where < 0.5, 0.8, 0.2)
    at = examples(np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, NOW))
    return at, Prediction(np.zeros(n, np.float32), hidden), (rng.random(n) < truth).astype(np.float32), truth


@BOTH
def test_where_the_model_is_too_low_the_neighbours_say_up(exact: bool) -> None:
    rng, view = np.random.default_rng(0), neighbours(exact)
    view.learn(*alike(5_000, rng)[:3])
    asked, said, _, truth = alike(500, rng)
    signal = view.read(asked, said)[:, 0]
    clear = np.abs(signal) > 0.3
    assert clear.mean() > 0.9
    assert ((signal > 0) == (truth > 0.5))[clear].mean() > 0.95


def test_the_inverted_file_says_what_exact_search_says() -> None:
    rng, fast, exact = np.random.default_rng(1), neighbours(False), neighbours(True)
    for _ in range(10):
        told = alike(500, rng)[:3]
        fast.learn(*told)
        exact.learn(*told)
    asked = alike(500, rng)[:2]
    assert np.corrcoef(fast.read(*asked)[:, 0], exact.read(*asked)[:, 0])[0, 1] > 0.95


def test_the_share_of_the_nearest_that_an_index_finds() -> None:
    rng, fast, exact = np.random.default_rng(4), neighbours(False), neighbours(True)
    for _ in range(10):
        told = alike(500, rng)[:3]
        fast.learn(*told)
        exact.learn(*told)
    asked = alike(200, rng)[1]
    assert exact.recall_at_k(asked) == 1
    assert 0.7 < fast.recall_at_k(asked) < 1


def test_a_small_log_is_searched_exactly() -> None:
    rng, fast, exact = np.random.default_rng(2), neighbours(False), neighbours(True)
    told, asked = alike(50, rng)[:3], alike(50, rng)[:2]
    for view in (fast, exact):
        view.learn(*told)
    assert np.allclose(fast.statistics(*asked).reward, exact.statistics(*asked).reward, atol=1e-12)


def test_of_vectors_that_are_all_the_same_some_are_found() -> None:
    view = neighbours(False)
    same = Prediction(np.zeros(600, np.float32), np.ones((600, HIDDEN), np.float32))
    reward = (np.arange(600) >= 500).astype(np.float32)
    for start in range(0, 600, 100):
        here = np.s_[start : start + 100]
        part = Prediction(same.logit[here], same.hidden[here])
        view.learn(examples(np.zeros(100, np.int64), np.zeros(100, np.int64), np.full(100, NOW)), part, reward[here])
    asked = examples(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([NOW]))
    statistics = view.statistics(asked, Prediction(same.logit[:1], same.hidden[:1]))
    assert statistics.weight[0] == pytest.approx(1)
    assert 0 <= statistics.reward[0] <= 1


@BOTH
def test_outcomes_beyond_the_capacity_do_not_count(exact: bool) -> None:
    view, w = neighbours(exact, neighbours_kept=200), world(400)
    axis = np.eye(HIDDEN, dtype=np.float32)
    old = Prediction(np.zeros(50, np.float32), np.tile(axis[0], (50, 1)))
    view.learn(w.examples.take(np.s_[:50]), old, np.ones(50, np.float32))
    asked = (w.examples.take(np.s_[50:51]), Prediction(old.logit[:1], old.hidden[:1]))
    assert view.statistics(*asked).reward[0] == pytest.approx(1)
    for start in range(100, 300, 50):
        new = Prediction(np.zeros(50, np.float32), np.tile(axis[1], (50, 1)))
        view.learn(w.examples.take(np.s_[start : start + 50]), new, np.zeros(50, np.float32))
    assert len(view) == 200
    assert view.statistics(*asked).reward[0] == 0


@BOTH
@pytest.mark.parametrize("cut", [130, 1_000, 2_500])
def test_saved_at_any_time_it_continues_bit_for_bit(exact: bool, cut: int) -> None:
    view, w = neighbours(exact, neighbours_kept=700, neighbours=10), world(4_000)
    for start in range(0, cut, 90):
        view.learn(*w.rows(start, min(start + 90, cut)))
    twin = neighbours(exact, neighbours_kept=700, neighbours=10)
    twin.load(view.state())
    for start in range(cut, 4_000, 90):
        rows = w.rows(start, start + 90)
        assert view.read(*rows[:2]).tobytes() == twin.read(*rows[:2]).tobytes()
        view.learn(*rows)
        twin.learn(*rows)
    assert {k: a.tobytes() for k, a in view.state().items()} == {k: a.tobytes() for k, a in twin.state().items()}


def test_exact_search_continues_bit_for_bit_when_part_of_its_large_index_has_been_dropped() -> None:
    view, w = neighbours(True, neighbours_kept=4_500), world(11_000)
    for start in range(0, 9_500, 500):
        view.learn(*w.rows(start, start + 500))
    twin = neighbours(True, neighbours_kept=4_500)
    twin.load(view.state())
    assert 0 < view.state()["based"][0] - view.state()["first"][0] < 4_500
    for start in range(9_500, 11_000, 500):
        rows = w.rows(start, start + 500)
        assert view.read(*rows[:2]).tobytes() == twin.read(*rows[:2]).tobytes()
        view.learn(*rows)
        twin.learn(*rows)


@BOTH
def test_reading_while_another_thread_writes_neither_crashes_nor_misreads(exact: bool) -> None:
    from threading import Thread

    view, w = neighbours(exact, neighbours=5), world(6_000)
    view.learn(*w.rows(0, 100))
    writer = Thread(target=lambda: [view.learn(*w.rows(s, s + 50)) for s in range(100, 6_000, 50)])
    writer.start()
    while writer.is_alive():
        assert (view.statistics(*w.rows(0, 20)[:2]).weight <= 1 + 1e-6).all()
    writer.join()
    assert len(view) == 6_000
