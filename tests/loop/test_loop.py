"""Turns of the daily loop on a log that was ingested: what they say, what they leave, and where."""

import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from components.domain import DriftAction, Verdict, instant_of
from components.publish.manifest import read_manifest
from components.publish.read_bundle import load_bundle, load_without_memory
from components.publish.snapshot import read_snapshot, resumed
from flows import tasks
from flows.cli.commands import app
from flows.cli.status import read_status
from flows.daily_loop import daily_loop
from flows.refresh_memory import refresh_memory
from flows.stages import drift as drifting
from flows.stages import forget as forgetting
from flows.stages import read as reading
from flows.workspace import Workspace
from tests.conftest import DAY, TinySource
from tests.warehouse import frames
from warehouse import facts, ledger
from warehouse.connect import Warehouse, connect

pytestmark = pytest.mark.usefixtures("prefect_server")

FAST = """
[update]
max_epochs = 1
replay_share = 0.5

[drift]
page = false
"""


def day(number: int) -> datetime:
    return datetime.fromtimestamp((15_000 + number) * DAY, UTC)


def command(*words: str) -> str:
    ended = CliRunner().invoke(app, list(words), standalone_mode=False)
    if ended.exception:
        raise ended.exception
    return ended.output


def ingest(home: Path, tiny: TinySource, frame: pd.DataFrame) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "evercurrent.toml").write_text(FAST)
    log = home.parent / f"{home.name}-{len(frame)}.parquet"
    frame.to_parquet(log, index=False)
    command("ingest", str(log), "--source", str(tiny.description), "--home", str(home))


def first_generation(home: Path, tiny: TinySource, frame: pd.DataFrame | None = None) -> Warehouse:
    """A home whose first generation knows four days."""
    ingest(home, tiny, tiny.frame if frame is None else frame)
    daily_loop(str(home), day(4))
    return Warehouse(home / "warehouse.duckdb", "tiny")


@pytest.mark.parametrize("cutoff", [[], ["--cutoff", "2011-01-30T10:20:30.000007Z"], ["--cutoff", "2011-01-29"]])
def test_the_folder_that_the_command_names_holds_the_reports(
    tmp_path: Path, tiny: TinySource, cutoff: list[str]
) -> None:
    ingest(tmp_path / "home", tiny, tiny.frame)
    told = command("loop", "--home", str(tmp_path / "home"), *cutoff)
    named = re.search(r"reports\s+(\S+)", told.replace("\n", ""))
    assert named and (Path(named[1]) / "validation.html").exists()


def test_after_a_rebuild_manifest_and_ledger_name_the_champion_it_was_made_against(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    w = first_generation(home, tiny)
    whole = drifting.decide

    def rebuild(*inputs: object) -> object:
        return dataclasses.replace(whole(*inputs), action=DriftAction.REBUILD)  # type: ignore[arg-type]

    monkeypatch.setattr(drifting, "decide", rebuild)
    daily_loop(str(home), day(5))
    manifest = read_manifest(home / "bundles" / "g000002")
    assert manifest.parent == ledger.generation(w, 2).parent == 1
    assert manifest.carried == ()


def test_a_generation_counts_fresh_rows_and_replayed_ones_apart_and_names_its_content(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    w = first_generation(home, tiny)
    daily_loop(str(home), day(5))
    manifest, made = read_manifest(home / "bundles" / "g000002"), ledger.generation(w, 2)
    fresh = int(((tiny.frame["when"] >= 15_004 * DAY) & (tiny.frame["when"] < 15_005 * DAY)).sum())
    held = fresh - manifest.rows
    assert manifest.rows == made.rows
    assert 0 <= held < fresh / 2, "rows in quarantine, and those held out from a challenger on hold"
    assert manifest.replayed == round(0.5 * manifest.rows) or manifest.verdict is Verdict.PROMOTE
    assert manifest.replayed > 0
    assert manifest.source_digest == facts.content_digest(w)


def test_a_turn_loads_its_champion_once(tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch) -> None:
    home, loaded = tmp_path / "home", []
    first_generation(home, tiny)
    for stage in (reading, forgetting):
        monkeypatch.setattr(
            stage, "load_without_memory", lambda folder: loaded.append(folder.name) or load_without_memory(folder)
        )
    daily_loop(str(home), day(5))
    assert loaded == ["g000001"]


def test_a_rejected_row_stands_in_quarantine_once_however_often_its_window_was_looked_at(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    w = first_generation(home, tiny)
    with connect(w.path) as connection:
        row = connection.execute(
            "select impression_id from impressions where shown_at >= make_timestamp(?) order by shown_at limit 1",
            [15_004 * DAY * 1_000_000],
        ).fetchone()
        assert row is not None
        connection.execute("update impressions set position = -1 where impression_id = ?", [row[0]])
    for hour in (6, 7, 8):
        refresh_memory(str(home), day(4).replace(hour=hour))
    daily_loop(str(home), day(5))
    with connect(w.path) as connection:
        kept = connection.execute("select row_id, reason from quarantine where table_name = 'impressions'").fetchall()
    assert kept == [(row[0], "position below 0")]


def test_a_refreshed_memory_is_a_snapshot_for_the_service_and_superseded_ones_go(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    w = first_generation(home, tiny)
    released = load_bundle(home / "bundles" / "g000001")
    for hour in (6, 7, 8, 9):
        refresh_memory(str(home), day(4).replace(hour=hour))
    eight, nine = (instant_of(day(4).replace(hour=hour)) for hour in (8, 9))
    learned = int(((tiny.frame["when"] >= 15_004 * DAY) & (tiny.frame["when"] < nine // 1_000_000)).sum())
    w.path.rename(home / "elsewhere")
    found = resumed(home, released)
    (home / "elsewhere").rename(w.path)
    assert found.known_until == nine
    assert len(found.served.memory) - len(released.memory) == learned > 0  # type: ignore[arg-type]
    assert {path.name for path in (home / "memories").iterdir()} == {f"g000001-{eight}", f"g000001-{nine}"}
    before = ledger.last_memory(w, 1, nine - 1)
    assert before is not None and before.cutoff == eight, "a process may be reading it"
    assert ledger.last_memory(w, 1, eight - 1) is None


def test_what_is_logged_while_the_log_is_read_is_not_claimed_to_be_known(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, begun = tmp_path / "home", []
    first_generation(home, tiny)
    monkeypatch.setattr(tasks, "ingest", lambda workspace: begun.append(instant_of(datetime.now(UTC))))
    refresh_memory(str(home))
    snapshot = read_snapshot(home, 1)
    assert snapshot is not None and snapshot.cutoff <= begun[0]


def test_the_replayed_past_is_a_small_sample_that_prefers_the_new_and_stays_the_same(
    tmp_path: Path, tiny: TinySource
) -> None:
    w = first_generation(tmp_path / "home", tiny)
    cutoff = 15_008 * DAY * 1_000_000

    def drawn(half_life: float, seed: int = 7, rows: int = 500) -> pd.DataFrame:
        return frames.replayed(w, facts.Draw(cutoff, rows, half_life, seed), facts.Maturing("like", None))

    short, long = drawn(0.5), drawn(1e6)
    assert len(short) == len(long) == 500
    assert short["at"].is_monotonic_increasing and short["impression_id"].is_unique
    assert short["at"].mean() > long["at"].mean() + 86_400e6, "a half-life of half a day keeps the last days"
    assert drawn(0.5).equals(short)
    assert set(drawn(0.5, seed=8)["impression_id"]) != set(short["impression_id"])
    assert set(drawn(0.5, rows=100)["impression_id"]) <= set(short["impression_id"])
    assert frames.replayed(w, facts.Draw(15_000 * DAY * 1_000_000, 500, 1.0, 7), facts.Maturing("like", None)).empty


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (DriftAction.HALT, "accept-window"),
        (DriftAction.REFRESH_MEMORY, "the memory has learned them"),
    ],
)
def test_a_turn_without_a_generation_says_which_rule_which_figure_and_what_to_do(
    tmp_path: Path, tiny: TinySource, action: DriftAction, says: str
) -> None:
    home = tmp_path / "home"
    late = tiny.frame["when"] >= 15_004 * DAY
    if action is DriftAction.HALT:
        frame = tiny.frame.assign(liked=tiny.frame["liked"].where(~late, 0))
    else:
        frame = pd.concat([tiny.frame[~late], tiny.frame[late].head(40)])
    first_generation(home, tiny, frame)
    record = daily_loop(str(home), day(5))
    assert record.verdict is Verdict.HOLD and record.drift_action == action
    assert re.search(rf"{action}: \w+ is [\d.]+, limit [\d.]+", record.reasons[0])
    assert says in record.reasons[-1]


def test_a_turn_whose_outcomes_are_all_missing_says_that_nothing_matured(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    late = tiny.frame["when"] >= 15_004 * DAY
    first_generation(home, tiny, tiny.frame.assign(liked=tiny.frame["liked"].astype(float).where(~late)))
    record = daily_loop(str(home), day(5))
    assert record.verdict is Verdict.HOLD
    assert "matured is 0, limit 1" in "; ".join(record.reasons)
    assert "look at the source's outcome column" in record.reasons[-1]
    assert json.loads(record.model_dump_json())["reasons"] == list(record.reasons)
    assert len(read_status(Workspace(home)).generations) == 1
