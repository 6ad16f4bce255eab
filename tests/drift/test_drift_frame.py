"""Frames: ids become popularity, categories stay few, samples keep their size and their seed."""

from dataclasses import replace

import numpy as np
import pytest

from components.domain import Examples
from components.drift.drift_frame import DriftFrame, sample_rows
from components.drift.pair import POPULARITY, pair, top_categories
from components.drift.reference import Counts, Reference
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from tests.drift.worlds import rows_of, traffic, usual


def frame(**columns: object) -> DriftFrame:
    """Three rows, with the given columns replaced."""
    return DriftFrame(**({"score": np.full(3, 0.5), "reward": np.ones(3)} | columns))


@pytest.mark.parametrize("name", ["reward", "ids", "categorical", "numeric"])
def test_columns_of_different_length_are_refused(name):
    short = np.ones(2) if name == "reward" else {name: np.array(["a", "b"])}
    with pytest.raises(ValueError, match=f"column {name} has 2 rows; allowed are the 3 of score"):
        frame(**{name: short})


@pytest.mark.parametrize(("rows", "size", "drawn"), [(0, 5, 0), (3, 5, 3), (5, 5, 5), (900, 5, 5)])
def test_a_sample_has_its_size_and_is_the_same_for_the_same_seed(rows, size, drawn):
    first = sample_rows(rows, size, seed=7)
    assert len(first) == len(set(first.tolist())) == drawn
    assert np.array_equal(first, sample_rows(rows, size, seed=7))
    assert np.array_equal(first, np.sort(first))


def test_other_seeds_draw_other_rows():
    assert not np.array_equal(sample_rows(900, 50, 1), sample_rows(900, 50, 2))


def test_ids_of_both_sides_are_counted_in_the_rows_outside_the_sample():
    """One of the three x is sampled, the other two are counted."""
    then = frame(ids={"item": np.array(["x", "x", "x"])})
    now = frame(ids={"item": np.array(["x", "x", "new"])})
    drawn = pair(now, usual(then), size=10, top=5, seed=0)
    assert drawn.reference["item popularity"].tolist() == ["1 to 2"]
    assert drawn.current["item popularity"].tolist() == ["1 to 2", "1 to 2", "unseen"]


def test_a_reference_of_one_row_has_seen_nothing():
    then = DriftFrame(np.zeros(1), np.zeros(1), ids={"item": np.array(["x"])})
    drawn = pair(then, usual(then), size=10, top=5, seed=0)
    assert drawn.reference["item popularity"].tolist() == drawn.current["item popularity"].tolist() == ["unseen"]


@pytest.mark.parametrize(
    ("count", "bucket"), [(0, 0), (1, 1), (2, 1), (3, 2), (9, 2), (10, 3), (30, 4), (99, 4), (100, 5)]
)
def test_popularity_has_these_buckets(count, bucket):
    """A sample of one row is drawn from the rows of y; the x are all counted."""
    then = DriftFrame(np.zeros(9000), np.zeros(9000), ids={"item": np.array(["x"] * count + ["y"] * (9000 - count))})
    now = DriftFrame(np.zeros(1), np.zeros(1), ids={"item": np.array(["x"])})
    assert pair(now, usual(then, 1, 0), 1, 5, 0).current["item popularity"][0] == POPULARITY[bucket]


def test_missing_keys_and_none_are_the_category_missing():
    now, then = top_categories(np.array([0, 5], np.uint64), np.array(["x", None], object), top=3)
    assert now.tolist() == ["missing", "0000000000000005"]
    assert then.tolist() == ["x", "missing"]


def test_markup_in_a_category_is_defused_before_others_draw_it():
    now, _ = top_categories(np.array(["<script>"]), np.array(["a"]), top=3)
    assert now.tolist() == ["‹script›"]


def test_numbers_with_gaps_are_compared_with_their_gaps_apart():
    now = frame(numeric={"year": np.array([np.nan, np.inf, 3.0])})
    then = frame(numeric={"year": np.array([1.0, 2.0, 3.0])})
    drawn = pair(now, usual(then), 10, 5, 0)
    assert drawn.current["year known"].tolist() == ["no", "no", "yes"]
    assert drawn.current["year"].isna().tolist() == [True, True, False]
    assert "year" in drawn.numeric
    assert "year known" in drawn.categorical


def test_a_number_without_any_value_on_one_side_is_left_to_its_gaps():
    now = frame(numeric={"year": np.full(3, np.nan)})
    then = frame(numeric={"year": np.arange(3.0)})
    drawn = pair(now, usual(then), 10, 5, 0)
    assert drawn.numeric == ("score",)
    assert drawn.categorical == ("year known",)


def test_one_outlier_does_not_hide_the_rest():
    values = np.r_[np.linspace(0, 1, 999), 1e12]
    now = DriftFrame(np.full(1000, 0.5), np.ones(1000), numeric={"price": values})
    assert pair(now, usual(now, 1000), 1000, 5, 0).current["price"].max() < 2


def test_fields_that_only_one_side_has_are_left_out():
    now = frame(categorical={"tab": np.array(["a", "b", "c"])}, ids={"video": np.array(["a", "b", "c"])})
    drawn = pair(now, usual(frame()), 10, 5, 0)
    assert list(drawn.current) == ["score"]


def test_of_keys_too_many_to_be_kept_a_part_is_compared() -> None:
    """Of ids that were thinned away nobody knows how popular they are; what is left has the popularity it had."""
    rng = np.random.default_rng(0)
    keys = rng.integers(1, 1 << 62, 300, dtype=np.uint64)
    then = DriftFrame(*(np.zeros(6000),) * 2, ids={"item": rng.choice(keys, 6000)})
    now = DriftFrame(*(np.zeros(900),) * 2, ids={"item": rng.choice(keys[:40], 900)})
    whole = usual(then)
    thinned = Reference(Counts.of(then, most=100), whole.sample)
    assert thinned.counts.fields["item"].parts > 1
    drawn, part = (pair(now, reference, 600, 5, 0) for reference in (whole, thinned))
    for one, other in ((drawn.current, part.current), (drawn.reference, part.reference)):
        known = other["item popularity"].notna()
        assert 0 < known.sum() < len(known)
        assert other["item popularity"][known].equals(one["item popularity"][known])


def test_a_field_of_which_no_row_is_in_the_part_that_was_kept_is_left_out() -> None:
    then = DriftFrame(*(np.zeros(64),) * 2, ids={"item": np.arange(1, 65, dtype=np.uint64)})
    now = DriftFrame(*(np.zeros(4),) * 2, ids={"item": np.full(4, 7, np.uint64)})
    thinned = Reference(Counts.of(then, most=8), usual(then).sample)
    assert list(pair(now, thinned, 10, 5, 0).current) == ["score"]


def test_a_pair_is_the_same_for_the_same_seed():
    first, second = (pair(traffic(500, 1), usual(traffic(500, 2), 100), 100, 5, seed=3) for _ in range(2))
    assert first.current.equals(second.current)
    assert first.reference.equals(second.reference)
    assert len(first.current) == len(first.reference) == 100


def test_a_reference_smaller_than_the_sample_keeps_half_for_counting():
    drawn = pair(traffic(500, 1), usual(traffic(60, 2), 100), 100, 5, seed=3)
    assert len(drawn.reference) == 30


def test_a_frame_is_made_of_encoded_examples():
    spec = FeatureSpec(
        (
            Field("user", FieldKind.ID, FieldOf.USER),
            Field("item", FieldKind.ID, FieldOf.ITEM),
            Field("genre", FieldKind.MULTI, FieldOf.ITEM, width=2),
            Field("age", FieldKind.NUMERIC, FieldOf.USER, width=0),
        )
    )
    keys = np.array([[1, 2, 3, 4], [5, 6, 7, 0]], np.uint64)
    examples = Examples(keys, np.array([[30.0], [np.nan]], np.float32), np.zeros(2, np.int64))
    made = DriftFrame.of(examples, np.array([0.2, 0.4], np.float32), np.array([1, 0], np.float32), spec)
    assert {name: values.tolist() for name, values in made.ids.items()} == {"user": [1, 5], "item": [2, 6]}
    assert made.categorical["genre"].tolist() == [3, 7]
    assert made.numeric["age"][0] == 30.0


def test_parts_of_a_frame_one_after_the_other_are_the_frame() -> None:
    whole = replace(traffic(90), logit=np.arange(90.0), amount=np.arange(90.0))
    joined = DriftFrame.concat([rows_of(whole, slice(*at)) for at in ((0, 40), (40, 40), (40, 90))])
    for name in ("score", "reward", "logit", "amount"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
    assert {name: values.tolist() for name, values in joined.columns.items()} == {
        name: values.tolist() for name, values in whole.columns.items()
    }
    assert DriftFrame.concat([traffic(9)]).logit is None
