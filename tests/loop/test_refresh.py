"""Refreshes of an open window: each goes on from the one before, and they change nothing of the turn that follows."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.domain import Window, instant_of
from components.drift.reference_file import read_reference
from components.publish.snapshot import read_snapshot
from components.ranker.features import hash_ids
from flows.daily_loop import daily_loop
from flows.refresh_memory import refresh_memory
from tests.conftest import TinySource
from tests.loop.test_loop import command, day, first_generation
from tests.loop.test_set_aside import inverted
from warehouse import facts
from warehouse.connect import Warehouse, connect

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Path:
    """Generation 1 at the end of the fourth day; the days after are logged."""
    home = tmp_path_factory.mktemp("released") / "home"
    first_generation(home, tiny)
    return home


@pytest.fixture
def home(released: Path, tmp_path: Path) -> Path:
    shutil.copytree(released, tmp_path / "home")
    return tmp_path / "home"


def refreshed(home: Path, *days: float) -> list[str]:
    return [refresh_memory(str(home), day(4) + timedelta(days=d - 4)) for d in days]


def memory_of(home: Path) -> bytes:
    """The bytes of the latest snapshot's memory."""
    kept = read_snapshot(home, 1)
    assert kept is not None
    return b"".join(p.read_bytes() for p in sorted((home / kept.folder).rglob("*")) if p.is_file())


def test_each_goes_on_from_the_one_before_and_reads_what_came_since(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = facts.matured

    def counting(w: Warehouse, window: Window, maturing: facts.Maturing) -> Iterator[pa.RecordBatch]:
        read.append(window.start)
        return whole(w, window, maturing)

    refreshed(home, 4.5)
    monkeypatch.setattr(facts, "matured", counting)
    refreshed(home, 6.5)
    assert min(read) >= instant_of(day(4)), "what the memory knows, and references that were kept, are not read again"
    read.clear()
    refreshed(home, 6.75)
    assert min(read) > instant_of(day(5)), "nor is more of the open window than is looked at"
    kept = read_snapshot(home, 1)
    assert kept is not None and kept.cutoff == instant_of(day(4) + timedelta(days=2.75))


def test_refreshes_change_nothing_of_the_turn_that_follows(home: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(home, tmp_path / "alone")
    refreshed(home, 4.2, 4.5, 4.9)
    digests = [daily_loop(str(h), day(5)).digest for h in (home, alone)]
    assert digests[0] == digests[1]


def test_references_that_are_damaged_or_gone_are_counted_again_to_the_same_figures(home: Path, tmp_path: Path) -> None:
    refreshed(home, 4.3)
    others = [Path(shutil.copytree(home, tmp_path / name)) for name in ("damaged", "gone")]
    (kept,) = (others[0] / "references").iterdir()
    figures = read_reference(kept)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 255
    kept.write_bytes(content)
    assert read_reference(kept) is None
    shutil.rmtree(others[1] / "references")
    said = {tuple(refreshed(h, 4.8)) for h in (home, *others)}
    assert len(said) == 1 and "knows the outcomes before" in said.pop()[0]
    again = read_reference(others[0] / "references" / kept.name)
    assert again is not None and figures is not None
    assert again.counts.rows == figures.counts.rows > 2000 and again.window == figures.window
    assert len({memory_of(h) for h in (home, *others)}) == 1


def test_what_a_turn_kept_of_its_window_is_what_is_counted_of_it_when_it_is_gone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is read in parts; so that the next turn finds the same drift, and reads no window of the past."""
    daily_loop(str(home), day(5))
    other = Path(shutil.copytree(home, tmp_path / "other"))
    kept = {path.name: read_reference(path) for path in (home / "references").iterdir()}
    assert set(kept) == {f"{instant_of(day(d))}.safetensors" for d in (4, 5)}
    shutil.rmtree(other / "references")
    monkeypatch.setattr("flows.stages.training_data.STRETCH", 300)
    monkeypatch.setattr(facts, "ROWS_AT_ONCE", 150)
    read: list[int] = []
    whole = facts.matured

    def in_parts(w: Warehouse, window: Window, maturing: facts.Maturing) -> Iterator[pa.RecordBatch]:
        read.append(window.start)
        for batch in whole(w, window, maturing):
            yield from (batch.slice(at, 150) for at in range(0, len(batch), 150))

    monkeypatch.setattr(facts, "matured", in_parts)
    refreshed(other, 5.3)
    assert instant_of(day(4)) in read, "what is gone is read again"
    for name, one in kept.items():
        again = read_reference(other / "references" / name)
        assert one is not None and again is not None
        assert (one.window, one.size, one.decisions) == (again.window, again.size, again.decisions)
        for field, values in one.counts.fields.items():
            same = again.counts.fields[field]
            assert dict(zip(values.value, values.count, strict=True)) == dict(zip(same.value, same.count, strict=True))
        assert replace(one.counts, fields={}) == replace(again.counts, fields={})
        for column in ("keys", "numeric", "at"):
            drawn = [getattr(k.drawn.examples, column) for k in (one, again)]
            assert len(drawn[0]) == min(2000, one.counts.rows // 2) and np.array_equal(*drawn, equal_nan=True)
        assert np.array_equal(one.drawn.score, again.drawn.score, equal_nan=True)
    read.clear()
    digest = daily_loop(str(home), day(6)).digest
    assert len(read) == 1, "what is fresh is read, and no reference"
    assert daily_loop(str(other), day(6)).digest == digest
    said = [(h / "turns" / str(instant_of(day(6))) / "drift.json").read_bytes() for h in (home, other)]
    assert said[0] == said[1]


def test_what_turns_bad_after_a_sound_refresh_halts_the_next_one(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    first_generation(home, tiny, inverted(tiny.frame, 6, 8))
    assert "knows the outcomes before" in refreshed(home, 6)[0]
    before = memory_of(home)
    assert refreshed(home, 7.9)[0].startswith("HALT: memory of generation 1 stays as it is")
    assert memory_of(home) == before


def test_what_one_refresh_rejected_stays_rejected_by_the_next_and_stands_once(home: Path) -> None:
    path = home / "warehouse.duckdb"
    with connect(path) as connection:
        for first, last in ((4.1, 4.2), (6.6, 6.7)):
            span = [instant_of(day(4) + timedelta(days=d - 4)) for d in (first, last)]
            connection.execute(
                "update impressions set position = -1 where impression_id = "
                "(select min(impression_id) from impressions "
                "where shown_at >= make_timestamp(?) and shown_at < make_timestamp(?))",
                span,
            )
    counts = []
    for days in (4.5, 6.5, 6.9):
        refreshed(home, days)
        with connect(path) as connection:
            found = connection.execute("select row_id from quarantine where table_name = 'impressions'").fetchall()
        assert len(found) == len(set(found))
        counts.append(len(found))
    assert counts == [1, 1, 2]
    daily_loop(str(home), day(7))
    with connect(path) as connection:
        found = connection.execute("select row_id from quarantine where table_name = 'impressions'").fetchall()
    assert len(found) == len(set(found)) == 2


def test_who_is_forgotten_is_in_no_reference_any_more(home: Path, tiny: TinySource) -> None:
    refreshed(home, 4.3)
    (kept,) = (home / "references").iterdir()
    key = hash_ids("user", ["7"])[0]
    before = read_reference(kept)
    assert before is not None and key in before.counts.fields["user"].value and key in before.drawn.examples.keys
    command("forget", "7", "--home", str(home))
    after = read_reference(kept)
    assert after is not None and key not in after.counts.fields["user"].value
    assert key not in after.drawn.examples.keys and len(after.drawn) == len(after.drawn.examples) > 0
    assert "knows the outcomes before" in refreshed(home, 4.6)[0]


def test_a_request_is_looked_at_together_with_all_that_it_showed(home: Path, tiny: TinySource) -> None:
    """Its second position, minutes after the first, is no impression without a request."""
    w, begin = Warehouse(home / "warehouse.duckdb", "tiny"), instant_of(day(4))
    with connect(w.path) as connection:
        for table, instant, minutes in (("impressions", "shown_at", 20), ("outcomes", "outcome_at", 21)):
            connection.execute(
                f"update {table} set {instant} = {instant} + interval {minutes} minutes "
                f"where {instant} >= make_timestamp(?) and hash(impression_id) % 20 = 0",
                [begin],
            )
    window = Window(begin, instant_of(day(6)))
    since = facts.look_back(w, window, instant_of(day(4) + timedelta(days=1.9)), 50, facts.Maturing("like", None))
    with connect(w.path) as connection:
        (torn,) = connection.execute(
            "select count(*) from impressions as i join requests as q on q.request_id = i.request_id "
            "where i.shown_at >= make_timestamp(?) and i.shown_at < make_timestamp(?) "
            "and q.requested_at < make_timestamp(?)",
            [since, window.cutoff, since],
        ).fetchone() or (None,)
    assert torn == 0 and begin < since <= instant_of(day(4) + timedelta(days=1.9))
    refreshed(home, 5.5, 5.9)
    with connect(w.path) as connection:
        assert connection.execute("select count(*) from quarantine").fetchone() == (0,)
