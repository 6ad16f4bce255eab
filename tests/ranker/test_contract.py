"""Every ranker, over every kind of table, passes the same checks; and what DIN alone needs."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from components.domain import ContractBroken
from components.feature_spec import FeatureSpec
from components.ranker.deepfm import DeepFM
from components.ranker.din import DIN
from components.ranker.model import Model
from components.ranker.settings import Architecture, RankerSettings, TableKind
from components.update.train import Update, pretrain
from tests.contracts.rankers import CHECKS, TRAINING_CHECKS, UPDATE
from tests.ranker.windows import SPEC, window

ARCHITECTURES = [name for name in get_args(Architecture) if name != "auto"]


def settings(architecture: str, table: str = "exact") -> RankerSettings:
    return RankerSettings.model_validate(
        {"architecture": architecture, "table": table, "buckets": 512, "embedding_size": 4, "hidden_sizes": (8, 6)}
    )


@pytest.fixture(scope="module", params=[(a, t) for a in ARCHITECTURES for t in get_args(TableKind)], ids="-".join)
def update(request: pytest.FixtureRequest) -> Update:
    return pretrain(SPEC, window(0, rows=600), settings(*request.param), UPDATE, 3)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_ranker(check: Callable[[Update, Path], None], update: Update, tmp_path: Path) -> None:
    check(update, tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("check", TRAINING_CHECKS, ids=lambda check: check.__name__)
def test_training_a_ranker(check: Callable[[RankerSettings], None], architecture: str) -> None:
    check(settings(architecture))


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
