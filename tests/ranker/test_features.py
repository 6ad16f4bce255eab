"""Raw ids to keys, however many are asked for at once."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.coded import Coded
from components.domain import DAY
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker import features
from components.ranker.features import Attributes, Encoder, Raw, hash_ids
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


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("together", [False, True], ids=["row by row", "items of requests"])
def test_values_that_come_by_number_are_the_same_bits_as_one_by_one(
    few: int, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "FEW", few)
    monkeypatch.setattr(features, "AT_ONCE", 7)
    rng, rows = np.random.default_rng(0), 100
    spec = FeatureSpec(
        (
            *SPEC.fields,
            Field("tab", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
            Field("tags", FieldKind.MULTI, FieldOf.CONTEXT, width=2),
            Field("depth", FieldKind.NUMERIC, FieldOf.CONTEXT, 0),
            Field("hour", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
            Field("weekday", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
        )
    )
    items = pd.DataFrame({"item": ["a", "b"], "genre": [["x", "y"], None], "price": [1.5, np.nan]})
    users = Attributes.build(pd.DataFrame({"user": ["ann"]}), "user", spec, FieldOf.USER)
    encoder = Encoder(spec, users, Attributes.build(items, "item", spec, FieldOf.ITEM))

    def drawn(*values: object, size: tuple[int, ...] = (rows,)) -> Coded:
        """Of these values, and sometimes none."""
        distinct = np.empty(len(values), object)
        distinct[:] = values
        return Coded(rng.integers(-1, len(values), size).astype(np.int32), distinct)

    user, item = drawn("ann", "bob"), drawn("a", "b", "nobody's", size=(3 * rows if together else rows,))
    at = rng.integers(0, 30 * DAY, rows)
    context: dict[str, Raw] = {
        "tab": drawn("home", 7),
        "tags": drawn(["x"], ["x", "y", "z"], []),
        "depth": drawn(1.5, "2", "deep"),
        "recent": drawn("a", "z", size=(rows, 2)),
    }
    one_by_one = {name: values.texts() for name, values in context.items() if isinstance(values, Coded)}
    request = np.sort(rng.integers(0, rows, len(item))) if together else None
    found = encoder.encode(user, item, at, context, request)
    plain = encoder.encode(user.texts(), item.texts(), at, one_by_one, request)
    assert np.array_equal(found.keys, plain.keys)
    assert found.numeric.tobytes() == plain.numeric.tobytes()
    assert np.array_equal(found.at, plain.at)
    for name in ("user", "genre", "tab", "tags", "recent", "hour", "weekday"):
        assert len(np.unique(found.keys[:, spec.columns[name].start])) > 1, name


def test_a_column_that_arrives_in_parts_is_the_column_that_arrives_at_once() -> None:
    values = np.array(["b", None, "a", "b", "c", None, "a"], object)
    whole = Coded.of(values)
    parts = [pa.array(values[at], pa.string()).dictionary_encode() for at in (slice(0, 2), slice(2, 5), slice(5, 7))]
    joined = Coded.of_arrow(pa.chunked_array(parts))
    assert joined.codes.tolist() == whole.codes.tolist() == [0, -1, 1, 0, 2, -1, 1]
    assert joined.distinct.tolist() == whole.distinct.tolist() == ["b", "a", "c"]
    assert joined.texts().tolist() == values.tolist()
    assert Coded.of(np.array(["c", "d"], object)).codes_in(whole).tolist() == [2, -1]
    nothing = Coded.of_arrow(pa.chunked_array([], pa.string()))
    assert len(nothing) == len(nothing.texts()) == 0 and whole.codes_in(nothing).tolist() == [-1] * 7
