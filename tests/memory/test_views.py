"""What single views know, in cases small enough to work out by hand."""

from itertools import pairwise

import numpy as np
import pytest

from components.domain import DAY, MISSING_KEY, Examples, Prediction
from components.memory.entities import Entities, derived
from components.memory.neighbour_view import NeighbourView
from components.memory.posterior_view import PosteriorView
from components.memory.settings import Entity, MemorySettings
from components.memory.sketch_view import SketchView
from components.memory.views import build
from components.ranker.features import cross_keys
from components.sigmoid import sigmoid
from tests.memory.world import HIDDEN, SPEC, examples, world

NOW = 100 * DAY


def said(n: int, logit: float = 0.0) -> Prediction:
    return Prediction(np.full(n, logit, np.float32), np.ones((n, HIDDEN), np.float32))


def posterior(*kinds: Entity, offset: str = "model") -> PosteriorView:
    assert offset in ("model", "nothing")
    return PosteriorView(Entities(SPEC, kinds), "model" if offset == "model" else "nothing", 0.5)


def user_kind(prior_sd: float = 1.0) -> Entity:
    return Entity(interaction=("user",), prior_sd=prior_sd, half_life=30.0)


def test_one_outcome_moves_a_belief_by_one_newton_step() -> None:
    view = posterior(user_kind())
    one = examples(np.array([1]), np.array([1]), np.array([NOW]))
    view.learn(one, said(1), np.ones(1, np.float32))
    state = view.state()
    assert state["variance"][0] == pytest.approx(1 / (1 + 0.25))
    assert state["mean"][0] == pytest.approx(0.5 * 0.8)


def test_surprise_is_shared_by_uncertainty_not_evenly() -> None:
    view = posterior(user_kind(1.0), Entity(interaction=("item",), prior_sd=0.5, half_life=30.0))
    view.learn(examples(np.array([1]), np.array([1]), np.array([NOW])), said(1), np.ones(1, np.float32))
    user, item = view.state()["mean"][:2]
    assert user / item == pytest.approx(1.0 / 0.25)


def test_an_effect_seen_often_approaches_the_truth_and_its_variance_shrinks() -> None:
    rng = np.random.default_rng(0)
    view = posterior(user_kind(1.0))
    for _ in range(40):
        many = examples(np.ones(25, np.int64), rng.integers(0, 40, 25), np.full(25, NOW))
        view.learn(many, said(25), (rng.random(25) < sigmoid(np.array([1.1]))).astype(np.float32))
    assert view.state()["mean"][0] == pytest.approx(1.1, abs=3 / np.sqrt(1000 * 0.19))
    assert view.state()["variance"][0] < 0.01


def test_a_new_item_starts_at_its_genre_and_leaves_it_as_its_own_outcomes_come() -> None:
    genre = Entity(interaction=("genre",), prior_sd=1.0, half_life=300.0)
    view = posterior(genre, Entity(interaction=("item",), prior_sd=1.0, half_life=300.0))
    liked = np.arange(0, 30, 10)  # items 0, 10, 20: genre 0
    for _ in range(20):
        view.learn(examples(np.zeros(3, np.int64), liked, np.full(3, NOW)), said(3), np.ones(3, np.float32))
    new = examples(np.zeros(1, np.int64), np.array([40]), np.array([NOW]))
    of_another_genre = examples(np.zeros(1, np.int64), np.array([42]), np.array([NOW]))
    first = view.read(new, said(1))[0, 0]
    assert first > 0.5
    assert view.read(of_another_genre, said(1))[0, 0] == 0
    for _ in range(20):
        view.learn(new, said(1), np.zeros(1, np.float32))
    assert view.read(new, said(1))[0, 0] < -0.3
    assert view.read(examples(np.zeros(1, np.int64), liked[:1], np.array([NOW])), said(1))[0, 0] > first


def test_the_outcome_view_does_not_care_who_predicted() -> None:
    states = []
    for logit in (-3.0, 2.0):
        view = posterior(user_kind(), offset="nothing")
        view.learn(examples(np.array([1]), np.array([1]), np.array([NOW])), said(1, logit), np.ones(1, np.float32))
        states.append(view.state()["mean"].tolist())
    assert states[0] == states[1]


def test_a_warm_start_halves_errors_of_the_model_and_leaves_outcomes_alone() -> None:
    for offset, kept in (("model", 0.5), ("nothing", 1.0)):
        view = posterior(user_kind(), offset=offset)
        view.learn(examples(np.array([1]), np.array([1]), np.array([NOW])), said(1), np.ones(1, np.float32))
        before = view.state()["mean"][0]
        view.rebase(lambda e: said(len(e)))
        assert view.state()["mean"][0] == pytest.approx(kept * before)


def test_experience_is_told_apart_by_doublings() -> None:
    settings = MemorySettings()
    entities = Entities(SPEC, derived(SPEC, settings))
    one = examples(np.zeros(6, np.int64), np.zeros(6, np.int64), np.full(6, NOW))
    assert entities.experienced == ("item", "user")
    seen = np.array([[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [0, 7]])
    at = [k.interaction for k in entities.kinds].index(("#user",))
    column = int(np.flatnonzero(entities.kind_of == at)[0])
    buckets = np.unique(entities.touched(one, seen).keys[:, column], return_inverse=True)[1]
    assert [x == y for x, y in pairwise(buckets)] == [False, True, False, True, False]


def test_the_keys_of_combinations_are_those_of_the_features() -> None:
    kinds = [("user", "item"), ("item", "genre"), ("user", "item", "tab"), ("#item", "tab"), ("tab",)]
    entities = Entities(SPEC, tuple(Entity(interaction=c, prior_sd=1, half_life=1) for c in kinds))
    rng = np.random.default_rng(0)
    some = examples(rng.integers(0, 9, 200), rng.integers(0, 9, 200), np.full(200, NOW))
    some.keys[rng.random(some.keys.shape) < 0.2] = MISSING_KEY
    user, item, genre, tab = some.keys[:, :1], some.keys[:, 1:2], some.keys[:, 2:4], some.keys[:, 4:]
    bucket = entities.touched(some, np.zeros((200, 1), np.int64)).keys[tab[:, 0] != MISSING_KEY, 4]
    assert len(np.unique(bucket)) == len(np.unique(tab[tab != MISSING_KEY]))
    crossed = [cross_keys(user, item), cross_keys(item, genre), cross_keys(user, item, tab)]
    found = entities.touched(some, rng.integers(0, 9, (200, 1))).keys
    assert np.array_equal(found[:, [0, 1, 2, 3, 5]], np.column_stack([*crossed, tab]))


def test_values_of_a_field_share_a_coefficient_of_one() -> None:
    entities = Entities(SPEC, (Entity(interaction=("genre",), prior_sd=1, half_life=1),))
    both = entities.touched(
        examples(np.array([1, 1]), np.array([1, 2]), np.array([NOW, NOW])), np.zeros((2, 0), np.int64)
    )
    assert both.share.tolist() == [[0.5, 0.5], [1.0, 0.0]]


def neighbours(**changed: float) -> NeighbourView:
    settings = MemorySettings(views=("neighbours",)).model_copy(update=changed)
    view = build(SPEC, HIDDEN, settings, 0)["neighbours"]
    assert isinstance(view, NeighbourView)
    return view


def along(axis: int, n: int = 1) -> Prediction:
    return Prediction(np.zeros(n, np.float32), np.tile(np.eye(HIDDEN, dtype=np.float32)[axis], (n, 1)))


def at(instant: int, n: int = 1) -> Examples:
    return examples(np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, instant))


def test_the_nearest_outcome_outweighs_the_distant() -> None:
    view = neighbours()
    view.learn(at(NOW), along(0), np.ones(1, np.float32))
    view.learn(at(NOW), along(1), np.zeros(1, np.float32))
    statistics = view.statistics(at(NOW), along(0))
    assert statistics.reward[0] == pytest.approx(1 / (1 + np.exp(-1 / 0.1)))


def test_outcomes_past_the_ttl_are_not_asked() -> None:
    view = neighbours()
    view.learn(at(NOW), along(0), np.ones(1, np.float32))
    assert view.statistics(at(NOW + 90 * DAY), along(0)).weight[0] == pytest.approx(1)
    assert view.statistics(at(NOW + 91 * DAY), along(0)).weight[0] == 0


def sketch(**changed: float) -> SketchView:
    settings = MemorySettings(views=("sketch",)).model_copy(update=changed)
    view = build(SPEC, HIDDEN, settings, 0)["sketch"]
    assert isinstance(view, SketchView)
    return view


def test_a_bucket_holds_count_outcomes_and_predictions() -> None:
    view = sketch()
    view.learn(at(NOW, 8), along(0, 8), np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32))
    statistics = view.statistics(at(NOW), along(0))
    assert (statistics.weight[0], statistics.reward[0], statistics.predicted[0]) == pytest.approx((8, 7, 4))


def test_the_sketch_takes_the_same_memory_however_much_it_learns() -> None:
    view, w = sketch(), world(2_000)
    before = view.state()["sums"].nbytes
    view.learn(*w.rows(0, 2_000))
    assert view.state()["sums"].nbytes == before


def test_a_median_of_means_resists_one_group_of_full_buckets() -> None:
    plain, robust = sketch(), sketch(sketch_groups=8)
    for view in (plain, robust):
        view.learn(at(NOW, 50), along(0, 50), np.ones(50, np.float32))
    other = along(3)
    assert abs(robust.read(at(NOW), other)[0, 0]) <= abs(plain.read(at(NOW), other)[0, 0]) + 1e-9
