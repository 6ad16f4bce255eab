"""Which held-out requests can be judged, told by hand: one request for every reason."""

import numpy as np
import pandas as pd
import pyarrow as pa

from components.coded import Coded
from components.domain import Examples
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.features import Attributes
from flows.stages.eligible_sets import Requests
from flows.stages.held_out import ShownRows, held_out_log, why_not
from flows.stages.training_data import TrainingData

SPEC = FeatureSpec((Field("user", FieldKind.ID, FieldOf.USER), Field("item", FieldKind.ID, FieldOf.ITEM)))
NOBODY = Attributes(pd.Index([], dtype=object), {}, {})


def requests(*rows: tuple[str, list[str] | None, int, int]) -> Requests:
    """Of rows of id, eligible set, positions shown, positions set aside."""
    ids, eligible, positions, broken = zip(*rows, strict=True)
    columns = {
        "request_id": pa.array(ids),
        "user_id": pa.array([f"u{n % 2}" for n in range(len(ids))]),
        "context": pa.nulls(len(ids), pa.string()),
        "at": pa.array(range(len(ids)), pa.int64()),
        "eligible": pa.array(eligible, pa.list_(pa.string())),
        "positions": pa.array(positions),
        "broken": pa.array(broken),
    }
    return Requests.of(pa.table(columns))


def shown(*rows: tuple[int, str, int]) -> ShownRows:
    """Of rows of request, item, position, in order of arrival."""
    request, item, position = zip(*rows, strict=True)
    n = len(rows)
    examples = Examples(np.zeros((n, 2), np.uint64), np.empty((n, 0), np.float32), np.zeros(n, np.int64))
    half = np.full(n, 0.5)
    data = TrainingData(
        request_id=pa.chunked_array([pa.array(map(str, request), pa.string())]),
        user=Coded.of(np.full(n, "u", object)),
        item=Coded.of(np.array(item, object)),
        position=np.array(position, np.int32),
        generation=np.array([-1] + [3] * (n - 1), np.int32),
        propensity=half,
        logit=half,
        score=half,
        reward=np.zeros(n, np.float32),
        grade=np.full(n, np.nan, np.float32),
        matured_at=np.arange(n),
        examples=examples,
    )
    return ShownRows(data, np.arange(n) / 10, np.array(request))


def test_every_reason_is_told_of_the_request_it_is_true_of() -> None:
    asked = requests(
        ("sound", ["a", "b"], 1, 0),
        ("broken", ["a", "b"], 1, 1),
        ("late", ["a", "b", "c"], 2, 0),
        ("hole", ["a", "b", "c"], 2, 0),
        ("unknown set", None, 1, 0),
        ("empty set", [], 1, 0),
        ("one", ["a"], 1, 0),
        ("outside", ["a", "b"], 1, 0),
        ("nothing came", ["a", "b"], 1, 0),
        ("another's item", ["b", "c"], 1, 0),
    )
    rows = shown(
        (0, "b", 0), (1, "a", 0), (2, "a", 0), (2, "a", 0), (3, "a", 0), (3, "b", 2), (4, "a", 0), (5, "a", 0),
        (6, "a", 0), (7, "nobody's", 0), (9, "a", 0), (-1, "a", 0),
    )  # fmt: skip
    assert why_not(asked, rows).tolist() == [
        "",
        "a position was set aside by a contract",
        "a position's outcome did not come in time",  # one position twice
        "positions with a hole",
        "no eligible set on record",
        "no eligible set on record",
        "nothing to choose",
        "shown outside the eligible set",
        "a position's outcome did not come in time",
        "shown outside the eligible set",
    ]


def test_slates_come_in_order_of_requests_and_positions_however_they_arrived() -> None:
    asked = requests(("left out", ["a", "b"], 1, 0), ("x", ["a", "b", "c"], 2, 0), ("y", ["c", "b"], 1, 0))
    rows = shown((2, "b", 0), (1, "a", 1), (0, "a", 0), (1, "c", 0), (-1, "c", 0))
    sound = np.array([False, True, True])
    held = held_out_log(asked.take(sound), rows.of(sound))
    assert held is not None
    assert held.requests.item.texts().tolist() == ["a", "b", "c", "c", "b"]
    assert held.requests.item.take(held.entry[held.log.action]).texts().tolist() == ["c", "a", "b"]
    assert held.log.position.tolist() == [0, 1, 0]
    assert held.log.reward.tolist() == [0.3, 0.1, 0.0]
    assert held.log.logger.tolist() == [3, 3, 0], "where the log names no generation it is none of ours"
    assert np.diff(held.log.offsets).tolist() == [3, 2, 2]
    assert held_out_log(asked.take(~sound & sound), rows.of(~sound & sound)) is None
