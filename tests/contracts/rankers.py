"""What every ranker is held to: `CHECKS` after training over any kind of table, `TRAINING_CHECKS` while training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.domain import Matured
from components.ranker.settings import RankerSettings
from components.update.checkpoint import load_model, save_model
from components.update.learn import log_loss
from components.update.settings import UpdateSettings
from components.update.train import Update, pretrain
from tests.ranker.windows import SPEC, window

UPDATE = UpdateSettings(batch_size=32, max_epochs=8, table_rate=0.1, dense_rate=0.003, renew_table=False)


def shapes_and_kinds_are_those_of_the_contract(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    prediction = model.predict(window(1).examples)
    assert prediction.logit.shape == (300,) and prediction.logit.dtype == np.float32
    assert prediction.hidden.shape == (300, model.hidden_size) and prediction.hidden.dtype == np.float32


def it_learns(update: Update, folder: Path) -> None:
    constant = window(0, rows=600).reward.mean()
    entropy = -(constant * np.log(constant) + (1 - constant) * np.log(1 - constant))
    assert log_loss(update.checkpoint.model, window(0, rows=600)).mean() < 0.97 * entropy


def the_same_seed_gives_the_same_model(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    twin = pretrain(SPEC, window(0, rows=600), model.settings, UPDATE, 3).checkpoint.model
    examples = window(1).examples
    assert twin.predict(examples).logit.tobytes() == model.predict(examples).logit.tobytes()


def no_example_is_no_error(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    prediction = model.predict(window(0).examples.take(np.arange(0)))
    assert prediction.logit.shape == (0,) and prediction.hidden.shape == (0, model.hidden_size)


def a_score_does_not_depend_on_its_neighbours(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    examples = window(1).examples
    alone = model.predict(examples.take(np.array([17])))
    together = model.predict(examples)
    np.testing.assert_allclose(alone.logit[0], together.logit[17], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(alone.hidden[0], together.hidden[17], rtol=1e-4, atol=1e-5)


def reading_changes_nothing(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    rows, block = model.vocabulary.rows, model.table.block.clone()
    strangers = window(5, first_id=10_000).examples
    first = model.predict(strangers)
    assert np.isfinite(first.logit).all()
    assert first.logit.tobytes() == model.predict(strangers).logit.tobytes()
    assert (model.vocabulary.rows, model.table.block.tolist()) == (rows, block.tolist())


def missing_everything_still_gets_a_score(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    examples = window(0).examples.take(np.arange(2))
    examples.keys[:], examples.numeric[:] = 0, np.nan
    prediction = model.predict(examples)
    assert np.isfinite(prediction.logit).all() and prediction.logit[0] == prediction.logit[1]


def serving_needs_no_optimizer_and_scores_alike(update: Update, folder: Path) -> None:
    model = update.checkpoint.model
    save_model(model, folder)
    assert not (folder / "optimizer.safetensors").exists()
    examples = window(2, ids=60).examples
    assert load_model(folder).predict(examples).logit.tobytes() == model.predict(examples).logit.tobytes()


def the_missing_row_stays_zero(settings: RankerSettings) -> None:
    model = pretrain(SPEC, window(0), settings, UPDATE, 3).checkpoint.model
    assert not model.table.block[0].any()


def a_window_of_one_class_leaves_finite_scores(settings: RankerSettings) -> None:
    data = window(0)
    only = Matured(data.examples, np.ones_like(data.reward))
    model = pretrain(SPEC, only, settings, UPDATE, 3).checkpoint.model
    prediction = model.predict(only.examples)
    assert np.isfinite(prediction.logit).all() and prediction.probability.mean() > 0.7


CHECKS: tuple[Callable[[Update, Path], None], ...] = (
    shapes_and_kinds_are_those_of_the_contract,
    it_learns,
    the_same_seed_gives_the_same_model,
    no_example_is_no_error,
    a_score_does_not_depend_on_its_neighbours,
    reading_changes_nothing,
    missing_everything_still_gets_a_score,
    serving_needs_no_optimizer_and_scores_alike,
)

TRAINING_CHECKS: tuple[Callable[[RankerSettings], None], ...] = (
    the_missing_row_stays_zero,
    a_window_of_one_class_leaves_finite_scores,
)
