"""Every ranker, over every kind of table, keeps the same promises."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from components.domain import ContractBroken, FeatureSpec, Matured
from components.ranker.deepfm import DeepFM
from components.ranker.din import DIN
from components.ranker.model import Model
from components.ranker.settings import Architecture, RankerSettings, TableKind
from components.update.checkpoint import load_model, save_model
from components.update.learn import log_loss
from components.update.settings import UpdateSettings
from components.update.train import Update, pretrain
from tests.ranker.windows import SPEC, window

ARCHITECTURES = tuple(name for name in get_args(Architecture) if name != "auto")
TABLES = get_args(TableKind)
UPDATE = UpdateSettings(batch_size=32, max_epochs=8, table_rate=0.1, dense_rate=0.003, renew_table=False)


def settings(architecture: str, table: str = "exact") -> RankerSettings:
    return RankerSettings.model_validate(
        {"architecture": architecture, "table": table, "buckets": 512, "embedding_size": 4, "hidden_sizes": (8, 6)}
    )


@pytest.fixture(scope="module", params=[(a, t) for a in ARCHITECTURES for t in TABLES], ids="-".join)
def update(request: pytest.FixtureRequest) -> Update:
    return pretrain(SPEC, window(0, rows=600), settings(*request.param), UPDATE, 3)


@pytest.fixture
def model(update: Update) -> Model:
    return update.checkpoint.model


def test_shapes_and_kinds_are_those_of_the_contract(model: Model) -> None:
    prediction = model.predict(window(1).examples)
    assert prediction.logit.shape == (300,) and prediction.logit.dtype == np.float32
    assert prediction.hidden.shape == (300, model.hidden_size) and prediction.hidden.dtype == np.float32


def test_it_learns(update: Update) -> None:
    constant = window(0, rows=600).reward.mean()
    entropy = -(constant * np.log(constant) + (1 - constant) * np.log(1 - constant))
    assert log_loss(update.checkpoint.model, window(0, rows=600)).mean() < 0.97 * entropy


def test_the_same_seed_gives_the_same_model(model: Model) -> None:
    twin = pretrain(SPEC, window(0, rows=600), model.settings, UPDATE, 3).checkpoint.model
    examples = window(1).examples
    assert twin.predict(examples).logit.tobytes() == model.predict(examples).logit.tobytes()


def test_no_example_is_no_error(model: Model) -> None:
    prediction = model.predict(window(0).examples.take(np.arange(0)))
    assert prediction.logit.shape == (0,) and prediction.hidden.shape == (0, model.hidden_size)


def test_a_score_does_not_depend_on_its_neighbours(model: Model) -> None:
    examples = window(1).examples
    alone = model.predict(examples.take(np.array([17])))
    together = model.predict(examples)
    np.testing.assert_allclose(alone.logit[0], together.logit[17], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(alone.hidden[0], together.hidden[17], rtol=1e-4, atol=1e-5)


def test_reading_changes_nothing(model: Model) -> None:
    rows, block = model.vocabulary.rows, model.table.block.clone()
    strangers = window(5, first_id=10_000).examples
    first = model.predict(strangers)
    assert np.isfinite(first.logit).all()
    assert first.logit.tobytes() == model.predict(strangers).logit.tobytes()
    assert (model.vocabulary.rows, model.table.block.tolist()) == (rows, block.tolist())


def test_missing_everything_still_gets_a_score(model: Model) -> None:
    examples = window(0).examples.take(np.arange(2))
    examples.keys[:], examples.numeric[:] = 0, np.nan
    prediction = model.predict(examples)
    assert np.isfinite(prediction.logit).all() and prediction.logit[0] == prediction.logit[1]


def test_serving_needs_no_optimizer_and_scores_alike(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    assert not (tmp_path / "optimizer.safetensors").exists()
    examples = window(2, ids=60).examples
    assert load_model(tmp_path).predict(examples).logit.tobytes() == model.predict(examples).logit.tobytes()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_missing_row_stays_zero(architecture: str) -> None:
    model = pretrain(SPEC, window(0), settings(architecture), UPDATE, 3).checkpoint.model
    assert not model.table.block[0].any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_window_of_one_class_leaves_finite_scores(architecture: str) -> None:
    data = window(0)
    only = Matured(data.examples, np.ones_like(data.reward))
    model = pretrain(SPEC, only, settings(architecture), UPDATE, 3).checkpoint.model
    prediction = model.predict(only.examples)
    assert np.isfinite(prediction.logit).all() and prediction.probability.mean() > 0.7


def test_din_without_a_history_field_says_what_it_needs() -> None:
    spec = FeatureSpec(SPEC.fields[:3])
    with pytest.raises(ContractBroken, match=r"din got the fields \['user', 'item', 'genre'\]; it needs .* recent"):
        Model.fresh(spec, settings("din"), 0)


def test_left_to_itself_it_is_din_where_there_is_a_history_and_deepfm_elsewhere() -> None:
    bare = FeatureSpec(tuple(f for f in SPEC.fields if f.name != "recent"))
    made = [Model.fresh(spec, settings("auto"), 0).network for spec in (SPEC, bare)]
    assert [type(network) for network in made] == [DIN, DeepFM]


def test_din_reads_the_history() -> None:
    model = pretrain(SPEC, window(0), settings("din"), UPDATE, 3).checkpoint.model
    examples = window(0).examples
    with_history = model.predict(examples).logit
    examples.keys[:, SPEC.columns["recent"]] = 0
    assert (model.predict(examples).logit != with_history).any()


def test_fields_that_share_an_alphabet_share_rows() -> None:
    model = pretrain(SPEC, window(0), settings("fm"), UPDATE, 3).checkpoint.model
    keys = np.zeros((1, SPEC.key_columns), np.uint64)
    keys[0, 1] = keys[0, 5] = window(0).examples.keys[0, 1]
    rows = model.rows(keys)
    assert rows[0, 1] == rows[0, 5] > 0
