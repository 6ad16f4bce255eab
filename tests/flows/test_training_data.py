"""What a user liked last, as the warehouse tells it: what was known then, and nothing else."""

import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.coded import Coded
from components.domain import DAY, SECOND, Examples, Window
from components.ingest.interactions import canonical
from components.ingest.source import Source
from components.ranker.features import hash_ids
from components.ranker.history import History, Likes
from flows.stages.eligible_sets import Requests, encode_eligible
from flows.stages.held_out import ShownRows, held_out_log
from flows.stages.training_data import TrainingData, read_encoder, read_history, read_matured, read_stretches
from flows.stages.window_columns import NUMBERS, gather
from tests.conftest import DESCRIPTION
from warehouse import facts, query
from warehouse.append import append_log
from warehouse.connect import Warehouse, connect

FIELD = """
[[fields]]
name = "recent"
kind = "multi"
of = "context"
shares = "item"
width = 3
"""


def described(text: str = DESCRIPTION + FIELD, **changes: object) -> Source:
    columns = {"user_id": "who", "item_id": "what", "outcome_at": "told", "request_id": "asked", "eligible": "could"}
    return Source.model_validate({**tomllib.loads(text), "columns": columns, **changes})


SOURCE = described()


def frame(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of who, what, when, told (seconds), liked; each a request of its own."""
    table = pd.DataFrame(rows, columns=["who", "what", "when", "told", "liked"])
    asked = [f"q{i}" for i in range(len(table))]
    return table.assign(kinds="x", asked=asked, could=[[item, "other"] for item in table["what"]])


def known(
    folder: Path, log: pd.DataFrame, source: Source = SOURCE, contexts: dict[str, str] | None = None
) -> TrainingData:
    w = Warehouse(folder / "w.duckdb", "tiny")
    tables = canonical(log, source, "log")
    tables.requests["context"] = tables.requests["request_id"].map(contexts or {}).astype(object)
    append_log(w, tables, {}, digest="a", path="a")
    return read_matured(w, source, read_encoder(w, source), Window(0, DAY))


def recent(found: TrainingData) -> dict[str, list[str]]:
    """Request -> what its user liked last."""
    assert found.recent is not None
    rows = zip(found.request_id.to_pylist(), found.recent.texts(), strict=True)
    return {request: [item for item in items if item is not None] for request, items in rows}


def frame_of(found: TrainingData) -> pd.DataFrame:
    """Its columns as texts and numbers."""
    ids = {"request_id": found.request_id.to_pylist(), "user_id": found.user.texts(), "item_id": found.item.texts()}
    return pd.DataFrame({**ids, "at": found.examples.at, "matured_at": found.matured_at, "reward": found.reward})


def test_a_request_sees_what_had_matured_before_it_and_neither_itself_nor_what_came_later(tmp_path: Path) -> None:
    log = frame(
        ("ann", "a", 10, 10, 1),
        ("ann", "disliked", 11, 11, 0),
        ("ann", "slow", 12, 50, 1),  # shown early, told late
        ("bob", "b", 13, 13, 1),
        ("ann", "c", 20, 20, 1),
        ("ann", "d", 50, 50, 1),  # the very instant the slow one is told: not known yet
        ("ann", "e", 51, 60, 1),
    )
    assert recent(known(tmp_path, log)) == {
        "q0": [],
        "q1": ["a"],
        "q2": ["a"],
        "q3": [],
        "q4": ["a"],
        "q5": ["c", "a"],
        "q6": ["slow", "d", "c"],  # told at one instant: in order of impression
    }


def test_it_equals_the_history_that_is_kept_while_outcomes_arrive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    when = np.sort(rng.choice(5000, 300, replace=False))
    told = when + rng.integers(0, 900, 300)
    user, item, liked = rng.integers(0, 8, 300), rng.integers(0, 60, 300), rng.integers(0, 2, 300)
    found = known(tmp_path, frame(*zip(user, item, when, told, liked, strict=True)))
    arrived = frame_of(found)  # in order of arrival
    for request, wanted in recent(found).items():
        asked = arrived[arrived["request_id"] == request].iloc[0]
        before = arrived[arrived["matured_at"] < asked["at"]]
        history = History(3, Likes.none())
        history.learn(*(before[c].to_numpy() for c in ("user_id", "item_id", "matured_at", "reward")))
        assert [i for i in history.recent(np.array([asked["user_id"]], object))[0] if i is not None] == wanted
    cutoff = int(arrived["matured_at"].iloc[200])
    bundled = read_history(Warehouse(tmp_path / "w.duckdb", "tiny"), SOURCE, cutoff)
    before = arrived[arrived["matured_at"] < cutoff]
    kept = History(3, Likes.none())
    kept.learn(*(before[c].to_numpy() for c in ("user_id", "item_id", "matured_at", "reward")))
    assert bundled is not None
    assert _rows(bundled) == _rows(kept)


def test_where_silence_counts_a_like_is_known_when_its_window_closes(tmp_path: Path) -> None:
    log = frame(("ann", "a", 10, 12, 1), ("ann", "b", 109, 120, 1), ("ann", "c", 111, None, None))
    found = known(tmp_path, log, described(attribution=100))
    assert recent(found) == {"q0": [], "q1": [], "q2": ["a"]}


def test_a_row_in_quarantine_is_no_history(tmp_path: Path) -> None:
    log = frame(("ann", "a", 10, 10, 1), ("ann", "b", 20, 20, 1))
    known(tmp_path, log)
    with connect(tmp_path / "w.duckdb") as connection:
        bad = str(connection.execute("select impression_id from impressions where item_id = 'a'").fetchone()[0])  # type: ignore[index]
        connection.execute("insert into quarantine values ('tiny', now()::timestamp, 'impressions', ?, 'bad')", [bad])
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    found = read_matured(w, SOURCE, read_encoder(w, SOURCE), Window(0, DAY))
    assert recent(found) == {"q1": []}


def test_what_the_log_says_the_service_knew_goes_before_what_it_could_have_known(tmp_path: Path) -> None:
    log = frame(("ann", "a", 10, 10, 1), ("ann", "b", 20, 20, 1), ("ann", "c", 30, 30, 1), ("ann", "d", 40, 40, 1))
    logged = {"q1": '{"recent": []}', "q2": '{"recent": ["a"]}', "q3": '{"recent": null}'}
    assert recent(known(tmp_path, log, contexts=logged)) == {"q0": [], "q1": [], "q2": ["a"], "q3": ["c", "b", "a"]}


def test_the_examples_and_the_eligible_entries_of_a_request_have_the_same_history(tmp_path: Path) -> None:
    found = known(tmp_path, frame(("ann", "a", 10, 10, 1), ("ann", "b", 20, 20, 1)))
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    requests, encoder = Requests.of_frame(facts.window_requests(w, Window(0, DAY))), read_encoder(w, SOURCE)
    columns = SOURCE.spec.columns["recent"]
    assert found.examples.keys[:, columns].tolist() == [[0, 0, 0], [*hash_ids("item", ["a"]).tolist(), 0, 0]]
    shown = replace(found, propensity=np.full(2, 0.5))
    held = held_out_log(requests, ShownRows(shown, found.reward.astype(float), np.arange(2)))
    assert held is not None
    eligible = encode_eligible(held.requests, encoder, held.asked.recent)
    assert eligible.keys[:, columns].tolist() == np.repeat(found.examples.keys[:, columns], 2, 0).tolist()


def test_a_source_without_the_field_reads_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = described(DESCRIPTION)
    asked: list[str] = []
    for way in ("frame", "table", "batches"):
        whole = getattr(query, way)
        listening = partial(lambda whole, c, name, *rest, **p: asked.append(name) or whole(c, name, *rest, **p), whole)
        monkeypatch.setattr(query, way, listening)
    found = known(tmp_path, frame(("ann", "a", 10, 10, 1)), plain)
    assert found.recent is None
    assert found.examples.at.tolist() == [10 * SECOND]
    assert read_history(Warehouse(tmp_path / "w.duckdb", "tiny"), plain, DAY) is None
    assert "04_update/matured" in asked and not {"04_update/recent", "04_update/likes"} & set(asked)


def _rows(history: History) -> list[tuple[object, ...]]:
    likes = history.likes()
    return list(zip(likes.user_id.tolist(), likes.item_id.tolist(), likes.at.tolist(), strict=True))


def test_a_window_is_the_same_bits_in_batches_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 300
    whole = known(tmp_path, *made_log(rows))
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    sizes: list[int] = []
    everything = facts.matured

    def in_small_batches(*asked: Any, **named: Any) -> Iterator[pa.RecordBatch]:
        for batch in everything(*asked, rows_at_once=7, **named):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(facts, "matured", in_small_batches)
    parts = read_matured(w, SOURCE, read_encoder(w, SOURCE), Window(0, DAY))
    assert max(sizes) == 7 and sum(sizes) == rows
    for f in fields(TrainingData):
        one, other = (_bits(getattr(each, f.name)) for each in (whole, parts))
        assert one == other, f.name
    assert np.isfinite(whole.propensity).any() and len(np.unique(whole.examples.keys[:, -1])) > 3


def test_a_window_by_stretches_is_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = known(tmp_path, *made_log(300))
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    encoder, everything = read_encoder(w, SOURCE), facts.matured
    monkeypatch.setattr(facts, "matured", partial(everything, rows_at_once=7))
    monkeypatch.setattr("flows.stages.training_data.STRETCH", 14 * facts.ROWS_AT_ONCE)
    parts = list(read_stretches(w, SOURCE, encoder, Window(0, DAY)))
    assert [len(part) for part in parts] == [98, 98, 98, 6]
    for f in ("reward", "grade", "matured_at", "logit", "propensity"):
        assert np.concatenate([getattr(part, f) for part in parts]).tobytes() == getattr(whole, f).tobytes()
    assert Examples.concat([part.examples for part in parts]).keys.tobytes() == whole.examples.keys.tobytes()
    assert [len(part) for part in read_stretches(w, SOURCE, encoder, Window(DAY, 2 * DAY))] == [0]


def test_a_window_keeps_nothing_else_of_the_batches_it_came_in() -> None:
    """A column of a batch of DuckDB keeps the whole batch; so what a window has is a copy."""
    texts = {name: ["a", "b"] for name in ("request_id", "user_id", "item_id", "context")}
    batch = pa.record_batch({**texts, **{name: np.ones(2, kind) for name, kind in NUMBERS.items()}})
    columns = gather([batch, batch])
    assert len(columns.reward) == 4 and columns.request_id.to_pylist() == ["a", "b"] * 2
    kept = {buffer.address for chunk in columns.request_id.chunks for buffer in chunk.buffers() if buffer}
    assert not kept & {buffer.address for buffer in batch.column("request_id").buffers() if buffer}


def test_a_row_of_a_window_is_a_hundred_bytes_and_the_id_of_its_request(tmp_path: Path) -> None:
    """Keys of this source take 8 bytes in each of its columns; what is said of user, item and history are 4 each."""
    rows = 2_000
    found = known(tmp_path, *made_log(rows))
    text = sum(map(len, found.request_id.to_pylist())) / rows + 4
    keys, recent = 8 * SOURCE.spec.key_columns, 4 * 3
    assert found.nbytes / rows < 66 + 4 * len(SOURCE.spec.numeric) + keys + recent + text
    columns = [*vars(found).values(), found.examples.keys, found.user.codes, found.item.codes]
    assert not any(isinstance(column, pd.DataFrame | pd.Series) for column in columns)
    assert not any(column.dtype.hasobject for column in columns if isinstance(column, np.ndarray))
    assert len(found.user.distinct) < 20 and len(found.item.distinct) < 70, "a text is there once"


def made_log(rows: int) -> tuple[pd.DataFrame, Source, dict[str, str]]:
    """A log of many likes, some of whose requests say what the service knew, and its source."""
    rng = np.random.default_rng(0)
    when = np.sort(rng.choice(50_000, rows, replace=False))
    user, item = rng.integers(0, 8, rows), rng.integers(0, 60, rows)
    log = frame(*zip(user, item, when, when + rng.integers(0, 900, rows), rng.integers(0, 2, rows), strict=True))
    logged = {f"q{n}": '{"recent": ["5", "9"], "place": "home"}' for n in range(0, rows, 5)}
    columns = {**SOURCE.columns.model_dump(exclude_none=True), "propensity": "chance"}
    source = described(columns=columns)
    return log.assign(chance=np.where(np.arange(rows) % 2, 0.5, 0.25)), source, logged


def _bits(column: object) -> object:
    if isinstance(column, Examples):
        return column.keys.tobytes(), column.numeric.tobytes(), column.at.tobytes()
    if isinstance(column, Coded):
        return column.codes.tobytes(), column.distinct.tolist()
    return column.to_pylist() if isinstance(column, pa.ChunkedArray) else np.asarray(column).tobytes()
