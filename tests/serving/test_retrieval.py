"""What a request without an eligible set is answered from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from components.domain import ContractBroken
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory, MemorySettings
from components.policy.plackett_luce import PlackettLuce
from components.ranker.features import Attributes, Encoder
from components.ranker.model import Model
from components.ranker.settings import RankerSettings
from components.serving import landmarks, retrieval
from components.serving.catalogue import Catalogue
from components.serving.landmarks import Landmarks
from components.serving.lifted import WATCHED, Lifted
from components.serving.retrieval import Retrieval
from components.serving.served import KnownOutcomes, RankRequests, Served

ONLY_BEST = Retrieval(fresh=0, lifted=0)


def world(items, seed=0):
    """A generation whose preference is known, and one request for anything."""
    preference = np.random.default_rng(seed).normal(size=items)
    scored = SimpleNamespace(appraisal=SimpleNamespace(preference=preference))
    ids = np.array([f"i{n}" for n in range(items)], object)
    served = SimpleNamespace(
        score_eligible=lambda asked: scored, servable=ids, landmarks=None, freshest=np.arange(items - 20, items)
    )
    return served, RankRequests(np.array(["u"], object), np.array([0]), ids[:0], np.array([0, 0])), preference


def test_the_best_come_first_in_order_and_the_others_are_drawn_evenly():
    served, asked, preference = world(1000)
    seen = np.zeros(1000)
    for seed in range(400):
        (found,) = replace(ONLY_BEST, candidates=100).retrieve(served, asked, np.random.default_rng(seed))
        assert len(set(found)) == 100
        assert (found[:90] == np.argsort(-preference)[:90]).all()
        seen[found[90:]] += 1
    drawn = seen[np.argsort(-preference)[90:]]
    assert drawn.sum() == 4000 and drawn.max() < 20, "910 others, 4.4 times each"


@pytest.mark.parametrize(("candidates", "explored"), [(1, 0.9), (2, 0.99), (10, 0.0), (99, 0.5)])
def test_any_size_and_share_leaves_at_least_the_best(candidates, explored):
    served, asked, preference = world(100)
    (found,) = Retrieval(candidates, explored).retrieve(served, asked, np.random.default_rng(0))
    assert len(set(found)) == candidates and found[0] == preference.argmax()
    assert Retrieval(candidates, explored).needed(100) and not Retrieval(100, 0.1).needed(100)


def test_fresh_and_lifted_items_have_seats_and_nothing_that_is_not_allowed_has():
    served, asked, _ = world(1000)
    lifted, mask = np.array([500, 501, 502, 503, 504, 505, 506]), np.ones(1000, bool)
    mask[[500, 999]] = False
    for seed in range(50):
        (found,) = Retrieval().retrieve(served, asked, np.random.default_rng(seed), [mask], lifted)
        assert len(set(found.tolist())) == 100 and mask[found].all()
        assert set(lifted[1:6].tolist()) <= set(found.tolist())
        assert set(found.tolist()) & set(range(980, 999))
    few = np.zeros(1000, bool)
    few[10:13] = True
    (found,) = Retrieval().retrieve(served, asked, np.random.default_rng(0), [few], lifted)
    assert set(found.tolist()) == {10, 11, 12}


SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.CATEGORICAL, FieldOf.ITEM),
        Field("group", FieldKind.CATEGORICAL, FieldOf.USER),
    )
)


@pytest.fixture(scope="module")
def tastes():
    """Three thousand items, and two hundred users whose tastes differ: embeddings that matter, nobody's average."""
    rng = np.random.default_rng(0)
    users = [f"u{n}" for n in range(200)]
    items = np.array([f"i{n}" for n in range(3000)], object)
    genre, group = rng.integers(0, 8, 3000).astype(str), rng.integers(0, 5, 200).astype(str)
    user_side = pd.DataFrame({"user": users, "group": group})
    item_side = pd.DataFrame({"item": items, "genre": genre})
    encoder = Encoder(
        SPEC,
        Attributes.build(user_side, "user", SPEC, FieldOf.USER),
        Attributes.build(item_side, "item", SPEC, FieldOf.ITEM),
    )
    model = Model.fresh(SPEC, RankerSettings(architecture="deepfm", embedding_size=8, hidden_sizes=(16, 8)), 0)
    model.observe(encoder.encode(np.resize(users, 3000).astype(object), items, np.zeros(3000, np.int64), {}))
    model.turn_over(1, -1, 0)
    with torch.no_grad():
        model.table.block[1:, :-1] += torch.from_numpy(
            rng.normal(scale=0.6, size=tuple(model.table.weight[1:].shape)).astype(np.float32)
        )
    forward = model.forward()
    return Served(
        generation=1,
        cutoff=1_000_000,
        encoder=encoder,
        model=forward,
        memory=ErrorMemory.empty(SPEC, forward.hidden_size, MemorySettings()),
        policy=PlackettLuce(),
        outcome=RewardRule(kind="like"),
        servable=items,
        catalogue=Catalogue.of(encoder, items, forward),
    )


def best(served, user, count=10):
    """Rows of the best items for somebody, by scoring everything."""
    asked = RankRequests.of([user], np.array([served.cutoff]), [served.servable])
    return np.argsort(-served.score_eligible(asked).appraisal.preference)[:count]


def recall(served, users, one=ONLY_BEST):
    """Share of the ten best that are retrieved."""
    asked = RankRequests(users, np.full(len(users), served.cutoff), np.empty(0, object), np.zeros(len(users) + 1, int))
    found = one.retrieve(served, asked, np.random.default_rng(0))
    return np.mean([np.isin(best(served, user), rows).mean() for user, rows in zip(users, found, strict=True)])


def test_landmarks_find_what_scoring_everything_finds_for_people_of_different_tastes(tastes):
    fitted, found = retrieval.fit(tastes, ONLY_BEST, seed=3)
    served, users = replace(tastes, landmarks=fitted), np.array([f"u{n}" for n in range(0, 200, 4)], object)
    alike = len(np.unique(np.concatenate([best(tastes, user) for user in users])))
    assert alike > 150, f"a world in which {alike} items are everybody's best would prove nothing"
    assert recall(served, users) > 0.9 and found.recall > 0.9
    assert (found.items, found.candidates) == (3000, 100) and 0.5 < found.kept <= 1


def test_an_inverted_file_finds_as_much(tastes, monkeypatch):
    monkeypatch.setattr(landmarks, "FLAT", 100)
    fitted, found = retrieval.fit(tastes, ONLY_BEST, seed=3)
    assert fitted.index.nlist > 100 and found.recall > 0.9
    mask = np.zeros(3000, bool)
    mask[7:27] = True
    rows = fitted.nearest(np.tile(fitted.mean, (2, 1)), 100, mask)
    assert rows.shape == (2, 20) and set(rows[0]) == set(range(7, 27)), "wherever in the lists they stand"


def test_items_that_the_memory_lifted_since_are_found_though_the_index_knows_nothing_of_it(tastes):
    fitted, _ = retrieval.fit(tastes, ONLY_BEST, seed=3)
    served, lifted = replace(tastes, landmarks=fitted).fork(), Lifted()
    loved = served.servable[best(tastes, "u7", 3000)[1500:1520]]
    for round_ in range(30):
        who, n = np.array([f"u{round_}"] * len(loved), object), len(loved)
        at, reward = np.full(n, served.cutoff + round_, np.int64), np.ones(n, np.float32)
        served.learn(KnownOutcomes(who, loved, at, reward, np.full(n, np.nan, np.float32)))
    lifted.reward(loved)
    asked = RankRequests(np.array(["u7"], object), np.array([served.cutoff + 40]), loved[:0], np.array([0, 0]))
    wanted = best(served, "u7")
    (found,) = Retrieval(lifted=20).retrieve(served, asked, np.random.default_rng(0), None, lifted.rows(served))
    (without,) = Retrieval(lifted=0).retrieve(served, asked, np.random.default_rng(0))
    assert np.isin(wanted, found).mean() >= 0.7 > 0.5 > np.isin(wanted, without).mean()


def test_small_catalogues_and_unknown_users_have_no_landmarks(tastes):
    assert retrieval.fit(replace(tastes, servable=tastes.servable[:1000]), ONLY_BEST, 0) is None
    nobody = Attributes.build(pd.DataFrame({"user": [], "group": []}), "user", SPEC, FieldOf.USER)
    unknown = replace(tastes, encoder=replace(tastes.encoder, users=nobody))
    assert retrieval.fit(unknown, ONLY_BEST, 0) is None


def test_scores_without_a_spread_make_an_index_all_the_same():
    fitted = Landmarks.fit(np.zeros((64, 200)), np.random.default_rng(0))
    assert len(set(fitted.nearest(np.zeros((1, len(fitted.rows))), 50)[0])) == 50


def test_the_freshest_are_those_no_log_has_shown(tastes):
    assert len(retrieval.freshest(tastes)) == 3000, "all came at one instant"
    shown = replace(tastes, catalogue=Catalogue.of(tastes.encoder, np.append(tastes.servable, "new"), tastes.model))
    assert 3000 in retrieval.freshest(shown)


def test_filters_know_the_fields_of_items_and_their_values(tastes):
    catalogue, genre = tastes.catalogue, tastes.encoder.items.keys["genre"][:-1, 0]
    drama = catalogue.matching({"genre": ["3", "5"]})
    assert 0 < drama.sum() < 3000 and len(np.unique(genre[drama])) == 2
    assert catalogue.matching({"genre": ["3"], "item": ["i0"]}).sum() <= 1 and catalogue.matching({}).all()
    with pytest.raises(ContractBroken, match="filters name 'group'; allowed are item, genre"):
        catalogue.matching({"group": ["1"]})


def test_lifted_items_are_those_the_memory_raised_and_few_are_watched(tastes):
    served, lifted = tastes.fork(), Lifted()
    assert not len(lifted.rows(served))
    items = served.servable[:3]
    for round_, (item, reward) in enumerate([("i0", 1), ("i1", 0), ("i0", 1), ("i1", 0), ("i2", 1)] * 20):
        known = KnownOutcomes(
            np.array([f"u{round_}"], object),
            np.array([item], object),
            np.array([served.cutoff + round_]),
            np.array([reward], np.float32),
            np.array([np.nan], np.float32),
        )
        served.learn(known)
    lifted.reward([*items, "never registered"])
    assert 0 in lifted.rows(served) and 1 not in lifted.rows(served)
    lifted.reward(f"i{n}" for n in range(1000, 1000 + 2 * WATCHED))
    assert not set(lifted.rows(served)) & {0, 1, 2}
