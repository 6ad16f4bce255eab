"""Raw ids to keys, however many are asked for at once."""

import numpy as np
import pandas as pd
import pytest

from components.feature_spec import FieldOf
from components.ranker import features
from components.ranker.features import Attributes, Encoder, hash_ids
from tests.ranker.windows import SPEC


@pytest.mark.parametrize("few", [0, 1_000])
def test_a_request_is_encoded_as_a_training_set_is(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "FEW", few)
    items = pd.DataFrame({"item": ["a", "b"], "genre": [["x", "y"], None], "price": [1.5, np.nan]})
    users = Attributes.build(pd.DataFrame({"user": ["ann"]}), "user", SPEC, FieldOf.USER)
    encoder = Encoder(SPEC, users, Attributes.build(items, "item", SPEC, FieldOf.ITEM))
    asked, wanted = np.array(["b", "nobody's", None, "a", "a"], object), np.array(["ann", "bob"], object)
    request, at = np.array([0, 0, 0, 0, 1]), np.array([5, 6])
    recent = {"recent": np.array([["a", "z"], ["b", None]], object)}
    for _ in range(2):  # the second time from what was kept
        found = encoder.encode(wanted, asked, at, recent, request)
        assert found.keys[:, 0].tolist() == hash_ids("user", wanted)[request].tolist()
        assert found.keys[:, 1].tolist() == hash_ids("item", asked).tolist()
        assert found.keys[:, 2:5].tolist() == [[0, 0, 0]] * 3 + [[*hash_ids("genre", ["x", "y"]).tolist(), 0]] * 2
        assert found.keys[:, 5:].tolist() == hash_ids("item", recent["recent"])[request].tolist()
        np.testing.assert_array_equal(found.numeric[:, 0], np.array([np.nan] * 3 + [1.5] * 2, np.float32))
        assert found.at.tolist() == [5, 5, 5, 5, 6]
