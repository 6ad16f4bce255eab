"""A generation small enough to read: three users, five films, one outcome rule."""

import numpy as np
import pandas as pd
import pytest

from components.domain import DAY, Verdict
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.policy.settings import PolicySettings
from components.publish.bundle import BundleContent, write_bundle
from components.publish.manifest import IdChange, Provenance
from components.ranker.features import Attributes, Encoder
from components.ranker.model import Model
from components.ranker.settings import RankerSettings

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.MULTI, FieldOf.ITEM, 2),
        Field("length", FieldKind.NUMERIC, FieldOf.ITEM, 0),
        Field("device", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
    )
)
RECENT_SPEC = FeatureSpec((*SPEC.fields, Field("recent", FieldKind.MULTI, FieldOf.CONTEXT, 3, shares="item")))
ITEMS = pd.DataFrame(
    {
        "item_id": ["heat", "alien", "brazil", "solaris", "stalker"],
        "genre": [["crime"], ["horror", "scifi"], None, ["scifi"], ["scifi", "drama", "cut off"]],
        "length": [170.0, 117.0, np.nan, 167.0, 161.0],
    }
)
NOW = 20_000 * DAY


def encoder(spec=SPEC) -> Encoder:
    users = Attributes.build(pd.DataFrame({"user_id": ["ann", "bob", "cyd"]}), "user_id", spec, FieldOf.USER)
    return Encoder(spec, users, Attributes.build(ITEMS, "item_id", spec, FieldOf.ITEM))


def make_content(generation=1, parent=None, seed=0, spec=SPEC, architecture="deepfm", **changes) -> BundleContent:
    shape = RankerSettings(architecture=architecture, embedding_size=4, hidden_sizes=(8, 4))
    model = Model.fresh(spec, shape, seed)
    settings = MemorySettings()
    provenance = Provenance(
        generation=generation,
        parent=parent,
        source="films",
        start=NOW - 7 * DAY,
        cutoff=NOW + generation,
        rows=12,
        verdict=Verdict.PROMOTE,
        reasons=("first generation",),
        ids=(IdChange(field="user", admitted=3),),
    )
    content = {
        "provenance": provenance,
        "encoder": encoder(spec),
        "model": model,
        "memory": ErrorMemory.empty(spec, model.hidden_size, settings),
        "memory_settings": settings,
        "policy": PolicySettings(temperature=0.8, epsilon=0.2),
        "outcome": RewardRule(kind="rating", at_least=8),
        "servable": ITEMS["item_id"].to_numpy(object),
        "reports": {"drift.html": b"<p>calm</p>", "drift.json": b"{}"},
    }
    return BundleContent(**{**content, **changes})


@pytest.fixture
def content():
    return make_content()


@pytest.fixture
def folder(tmp_path, content):
    return write_bundle(tmp_path / "bundles", content)
