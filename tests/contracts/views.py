"""What every view of the error memory is held to, as functions of an empty view and a world."""

from collections.abc import Callable

import numpy as np

from components.domain import DAY, Prediction
from components.memory.view import View
from tests.memory.world import HIDDEN, World, examples


def _bytes_of(view: View) -> dict[str, bytes]:
    return {name: np.ascontiguousarray(a).tobytes() for name, a in view.state().items()}


def reading_never_changes_it_not_even_for_ids_never_seen(view: View, w: World) -> None:
    view.learn(*w.rows(0, 300))
    before = _bytes_of(view)
    view.read(*w.rows(300, 600)[:2])
    view.read(examples(np.arange(9_000, 9_100), np.arange(100), np.full(100, 10**18)), w.rows(0, 100)[1])
    assert _bytes_of(view) == before


def a_write_answers_what_a_read_would_have_said_before_it(view: View, w: World) -> None:
    view.learn(*w.rows(0, 300))
    at_once = (w.examples.take(np.full(50, 310)), *w.rows(310, 360)[1:])
    said = view.read(*at_once[:2])
    assert np.allclose(view.learn(*at_once), said, atol=1e-9)
    assert said.shape == (50, len(view.signals))


def state_loaded_into_a_new_view_continues_the_same(view: View, w: World) -> None:
    view.learn(*w.rows(0, 300))
    twin = view.copy()
    twin.load(view.state())
    for v in (view, twin):
        v.learn(*w.rows(300, 400))
    assert _bytes_of(view) == _bytes_of(twin)
    assert np.array_equal(view.read(*w.rows(400, 600)[:2]), twin.read(*w.rows(400, 600)[:2]))


def a_copy_is_not_changed_by_what_the_original_learns(view: View, w: World) -> None:
    view.learn(*w.rows(0, 300))
    twin = view.copy()
    before = _bytes_of(twin)
    view.learn(*w.rows(300, 400))
    assert _bytes_of(twin) == before
    assert _bytes_of(view) != before


def what_a_copy_learns_or_forgets_does_not_change_the_original(view: View, w: World) -> None:
    view.learn(*w.rows(0, 300))
    before, said = _bytes_of(view), view.read(*w.rows(300, 600)[:2])
    changed = [view.copy() for _ in range(3)]
    changed[0].learn(*w.rows(0, 300))
    changed[1].learn(*w.rows(300, 400))
    changed[2].rebase(
        lambda rows: Prediction(np.zeros(len(rows), np.float32), np.ones((len(rows), HIDDEN), np.float32))
    )
    assert _bytes_of(view) == before and np.array_equal(view.read(*w.rows(300, 600)[:2]), said)
    assert all(_bytes_of(twin) != before for twin in changed[:2])


def signals_are_finite_for_certain_predictions_and_clocks_that_jump(view: View, w: World) -> None:
    sure = Prediction(np.where(np.arange(100) % 2, 80, -80).astype(np.float32), w.rows(0, 100)[1].hidden)
    wrong = (sure.logit < 0).astype(np.float32)
    view.learn(w.rows(0, 100)[0], sure, wrong)
    long_after = examples(np.arange(100), np.arange(100), np.full(100, 9_000 * DAY))
    long_before = examples(np.arange(100), np.arange(100), np.zeros(100, np.int64))
    view.learn(long_before, sure, wrong)
    for e in (long_after, long_before):
        assert np.isfinite(view.read(e, sure)).all()


def no_rows_are_no_trouble(view: View, w: World) -> None:
    assert view.read(*w.rows(0, 0)[:2]).shape == (0, len(view.signals))


def evidence_fades_in_event_time(view: View, w: World) -> None:
    one = examples(np.zeros(200, np.int64), np.zeros(200, np.int64), np.full(200, 100 * DAY))
    flat = Prediction(np.zeros(200, np.float32), np.ones((200, HIDDEN), np.float32))
    view.learn(one, flat, np.ones(200, np.float32))
    soon, late = (
        float(view.read(examples(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([100 * DAY + t])), first)[0, 0])
        for first in [Prediction(flat.logit[:1], flat.hidden[:1])]
        for t in (0, 2_000 * DAY)
    )
    assert soon > 0.5
    assert abs(late) < 0.7 * soon


def an_id_that_is_forgotten_reads_like_one_that_nobody_ever_met(view: View, w: World) -> None:
    view.learn(*w.rows(0, 400))
    user, items = np.zeros(40, np.int64), np.arange(40)
    met, stranger = (examples(user + who, items, np.full(40, 1_030 * DAY)) for who in (0, 999))
    said = Prediction(w.prediction.logit[:40], w.prediction.hidden[:40])
    key = met.keys[:1, 0]
    known = {"genre": np.unique(met.keys[:, 2:4]), "tab": np.unique(met.keys[:, 4]), "item": met.keys[:, 1]}
    view.forget("user", key, {name: keys[keys != 0] for name, keys in known.items()})
    held = np.concatenate([a.ravel() for name, a in view.state().items() if name in ("keys", "seen")] or [key[:0]])
    assert not np.isin(key, held).any()
    assert np.array_equal(view.read(met, said), view.read(stranger, said))
    assert view.learn(*w.rows(400, 500)).shape == (100, len(view.signals)), "and it goes on"


CHECKS: tuple[Callable[[View, World], None], ...] = (
    reading_never_changes_it_not_even_for_ids_never_seen,
    a_write_answers_what_a_read_would_have_said_before_it,
    state_loaded_into_a_new_view_continues_the_same,
    a_copy_is_not_changed_by_what_the_original_learns,
    what_a_copy_learns_or_forgets_does_not_change_the_original,
    signals_are_finite_for_certain_predictions_and_clocks_that_jump,
    no_rows_are_no_trouble,
    evidence_fades_in_event_time,
    an_id_that_is_forgotten_reads_like_one_that_nobody_ever_met,
)
