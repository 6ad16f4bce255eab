"""What is served computes what was trained, and an example's bits do not depend on its company."""

import numpy as np
import pytest
import torch

from components.domain import Examples
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.forward import AT_ONCE
from components.ranker.forward_loops import LANES
from components.ranker.model import Model
from components.ranker.settings import RankerSettings

ITEM, USER, CONTEXT = FieldOf.ITEM, FieldOf.USER, FieldOf.CONTEXT
SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, USER),
        Field("item", FieldKind.ID, ITEM),
        Field("genre", FieldKind.MULTI, ITEM, 3),
        Field("hour", FieldKind.CATEGORICAL, CONTEXT),
        Field("age", FieldKind.NUMERIC, USER),
        Field("year", FieldKind.NUMERIC, ITEM),
        Field("recent", FieldKind.MULTI, CONTEXT, 7, "item"),
    )
)
ITEM_COLUMNS, REQUEST_COLUMNS = [1, 2, 3, 4], [0, 5, 6, 7, 8, 9, 10, 11, 12]


def trained(architecture, table="exact", sizes=(24, 10), embedding_size=6):
    """A model whose every weight is far from its start."""
    rng = np.random.default_rng(1)
    settings = RankerSettings(
        architecture=architecture, table=table, buckets=512, hidden_sizes=sizes, embedding_size=embedding_size
    )
    model = Model.fresh(SPEC, settings, 5)
    model.observe(examples(rng, 40))
    model.turn_over(1, -1, 0)
    with torch.no_grad():
        for tensor in (model.table.block[1:, :-1], *model.dense.parameters()):
            tensor += torch.from_numpy(rng.normal(scale=0.4, size=tuple(tensor.shape)).astype(np.float32))
    model.scaling = type(model.scaling)(np.float32([1, 2]), np.float32([3, 0.5]))
    model.calibration.learn(rng.normal(size=50), rng.integers(0, 2, 50).astype(np.float32))
    return model


def examples(rng, requests, items=5):
    """Some items for every request; values are missing, unknown and repeated."""
    keys = rng.integers(1, 60, (requests * items, SPEC.key_columns)).astype(np.uint64)
    keys[rng.random(keys.shape) < 0.2] = 0
    numeric = rng.normal(size=(requests * items, 2)).astype(np.float32)
    numeric[rng.random(numeric.shape) < 0.2] = np.nan
    first = np.repeat(np.arange(requests) * items, items)
    keys[:, REQUEST_COLUMNS], numeric[:, 0] = keys[first][:, REQUEST_COLUMNS], numeric[first, 0]
    return Examples(keys, numeric, np.zeros(requests * items, np.int64))


@pytest.mark.parametrize("architecture", ["din", "deepfm", "fm", "dcnv2"])
@pytest.mark.parametrize("table", ["exact", "double_hashed"])
@pytest.mark.parametrize("sizes", [(24, 10), (9,), (12, 8, 5)])
def test_it_computes_what_torch_computes(architecture, table, sizes):
    model, asked = trained(architecture, table, sizes), examples(np.random.default_rng(2), 30)
    with torch.inference_mode():
        wanted = model.score_examples(asked)
    found = model.predict_raw(asked)
    assert wanted.logit.std() > 0.1
    np.testing.assert_allclose(found.logit, wanted.logit.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.hidden, wanted.hidden.numpy(), rtol=1e-5, atol=1e-5)
    assert model.forward().hidden_size == model.hidden_size == found.hidden.shape[1]


@pytest.mark.parametrize("architecture", ["din", "deepfm", "fm", "dcnv2"])
def test_an_example_has_the_same_bits_in_any_company(architecture):
    forward, rng = trained(architecture).forward(), np.random.default_rng(3)
    asked = Examples.concat([examples(rng, 7, 3), examples(rng, 2, LANES + 3), examples(rng, 1, LANES // 2)])
    whole, order = forward.predict(asked), rng.permutation(len(asked))
    alone = [forward.predict(asked.take(slice(n, n + 1))) for n in range(len(asked))]
    np.testing.assert_array_equal(np.concatenate([one.logit for one in alone]), whole.logit)
    np.testing.assert_array_equal(np.concatenate([one.hidden for one in alone]), whole.hidden)
    np.testing.assert_array_equal(forward.predict(asked.take(order)).logit, whole.logit[order])


def test_halves_that_are_kept_give_the_same_bits():
    forward, rng = trained("din").forward(), np.random.default_rng(4)
    asked = examples(rng, 4, 20)
    request, item = np.repeat(np.arange(4), 20), rng.permutation(80)
    halves, first = forward.items(asked.keys, asked.numeric), asked.take(np.arange(0, 80, 20))
    keys, numeric = first.keys[request], first.numeric[request]
    keys[:, ITEM_COLUMNS], numeric[:, 1] = asked.keys[item][:, ITEM_COLUMNS], asked.numeric[item, 1]
    whole = forward.predict(Examples(keys, numeric, np.zeros(80, np.int64)))
    pairs = forward.predict_pairs(first, request, halves, item)
    np.testing.assert_array_equal(pairs.logit, whole.logit)
    np.testing.assert_array_equal(pairs.hidden, whole.hidden)


def test_more_than_is_held_at_a_time_and_nothing_at_all():
    forward, asked = trained("deepfm").forward(), examples(np.random.default_rng(5), AT_ONCE // 5 + 1)
    assert len(asked) > AT_ONCE
    np.testing.assert_array_equal(forward.predict(asked).logit[-3:], forward.predict(asked.take(slice(-3, None))).logit)
    none = forward.predict(asked.take(slice(0, 0)))
    assert none.logit.shape == (0,) and none.hidden.shape == (0, forward.hidden_size)


def test_sigmoids_far_out_saturate():
    model = trained("din")
    with torch.no_grad():
        model.network.get_parameter("attention.0.bias").copy_(torch.linspace(-3000, 3000, 16))
    asked = examples(np.random.default_rng(6), 10)
    with torch.inference_mode():
        wanted = model.score_examples(asked).logit.numpy()
    np.testing.assert_allclose(model.predict_raw(asked).logit, wanted, rtol=1e-5, atol=1e-5)
