"""A window that contradicts the past: set aside whole, let in again by a person, taken out after it was learned."""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from components.domain import ContractBroken, Verdict, Window, instant_of
from components.publish.pointer import read_pointer
from components.publish.read_bundle import load_bundle
from components.publish.set_aside import read_decided
from components.publish.snapshot import read_snapshot, resumed
from flows.accept_window import accept_window
from flows.cli.status import read_status
from flows.daily_loop import daily_loop
from flows.quarantine import quarantine
from flows.refresh_memory import refresh_memory
from flows.stages import halt as halting
from flows.turn import TurnRecord
from flows.workspace import Workspace
from tests.conftest import DAY, TinySource
from tests.loop.test_loop import command, day, ingest
from tests.warehouse import frames
from warehouse import facts, ledger, set_asides
from warehouse.connect import Warehouse
from warehouse.records import SetAsideStatus

pytestmark = pytest.mark.usefixtures("prefect_server")

LIKE = facts.Maturing("like", None)
ALL = Window(0, 1 << 60)


def window(first: int, last: int) -> Window:
    """Days of the tiny log."""
    return Window(instant_of(day(first)), instant_of(day(last)))


def inverted(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """The log with the outcomes of some days turned round."""
    inside = frame["when"].between((15_000 + first) * DAY, (15_000 + last) * DAY - 1)
    return frame.assign(liked=frame["liked"].where(~inside, 1 - frame["liked"]))


def without(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    return frame[~frame["when"].between((15_000 + first) * DAY, (15_000 + last) * DAY - 1)]


def loops(home: Path, *days: int) -> list[TurnRecord]:
    return [daily_loop(str(home), day(number)) for number in days]


def opened(home: Path, tiny: TinySource, frame: pd.DataFrame) -> Warehouse:
    ingest(home, tiny, frame)
    return Warehouse(home / "warehouse.duckdb", "tiny")


def learned(home: Path, generation: int) -> dict[str, bytes]:
    """What a generation is: its parts that serve."""
    folder = home / "bundles" / f"g{generation:06d}"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix in (".safetensors", ".npy", ".npz", ".parquet")
        and "reports" not in path.parts
    }


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Path:
    """A home whose second window had its outcomes turned round; the days after are sound."""
    home = tmp_path_factory.mktemp("halted") / "home"
    opened(home, tiny, inverted(tiny.frame, 4, 5))
    loops(home, 4, 5)
    return home


def copied(home: Path, to: Path) -> Path:
    import shutil

    shutil.copytree(home, to / "home", ignore=shutil.ignore_patterns("prefect", "bentoml", ".lock"))
    return to / "home"


def test_the_turn_says_why_and_the_window_is_learned_by_nobody(halted: Path) -> None:
    w = Warehouse(halted / "warehouse.duckdb", "tiny")
    record = daily_loop(str(halted), day(5))
    assert record.halted and record.verdict is Verdict.HOLD
    assert "outcomes do not follow the champion's predictions" in record.reasons[0]
    assert "accept-window --cutoff 2011-01-31T00:00:00Z" in record.reasons[-1]
    assert [g.generation for g in ledger.generations(w)] == [1]
    shown = frames.matured(w, ALL, LIKE)["at"]
    assert not shown.between(instant_of(day(4)), instant_of(day(5)) - 1).any()
    assert [m.status for m in set_asides.standing(w)] == [SetAsideStatus.HALTED]
    assert read_decided(halted).latest.windows == (window(4, 5),)
    assert "HALTED" in command("status", "--home", str(halted))


def test_the_memory_after_it_is_the_one_before_it(halted: Path) -> None:
    found = resumed(halted, load_bundle(halted / "bundles" / "g000001"))
    assert found.known_until == instant_of(day(5))
    assert len(found.served.memory) == len(load_bundle(halted / "bundles" / "g000001").memory)  # type: ignore[arg-type]


def test_the_loop_goes_on_as_if_the_window_had_never_been_logged(
    halted: Path, tmp_path: Path, tiny: TinySource
) -> None:
    home, other = copied(halted, tmp_path), tmp_path / "other"
    opened(other, tiny, without(tiny.frame, 4, 5))
    went_on, never = loops(home, 6, 7), loops(other, 4, 5, 6, 7)
    assert never[1].reasons[0].startswith("nothing was logged in")
    for ours, theirs in zip(went_on, never[2:], strict=True):
        assert (ours.verdict, ours.value, ours.held_out) == (theirs.verdict, theirs.value, theirs.held_out)
    assert learned(home, 2) == learned(other, 2) != {}


def test_a_memory_of_the_open_window_is_not_refreshed_from_it_and_one_that_was_is_dropped(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    w = opened(home, tiny, inverted(tiny.frame, 4, 5))
    loops(home, 4)
    said = refresh_memory(str(home), day(4) + timedelta(hours=12))
    assert said.startswith("HALT: memory of generation 1 stays as it is") and "slope_lost" in said
    assert ledger.memories_after(w, instant_of(day(4))) == ()
    monkeypatch.setattr("flows.refresh_memory.contradicts", lambda turn, latest: None)
    refresh_memory(str(home), day(4) + timedelta(hours=12))
    fooled = read_snapshot(home, 1)
    assert fooled is not None and fooled.cutoff == instant_of(day(4)) + DAY // 2 * 1_000_000
    loops(home, 5)
    kept = read_snapshot(home, 1)
    assert kept is not None and kept.cutoff == instant_of(day(5))
    assert [m.cutoff for m in ledger.memories_after(w, instant_of(day(4)))] == [instant_of(day(5))]
    assert not (home / fooled.folder).exists()


def test_a_turn_that_is_cut_after_its_last_write_forgets_the_window_when_it_is_run_again(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    opened(home, tiny, inverted(tiny.frame, 4, 5))
    loops(home, 4)
    whole = halting.drop_memories
    monkeypatch.setattr(halting, "drop_memories", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        loops(home, 5)
    assert read_decided(home).decisions == ()
    monkeypatch.setattr(halting, "drop_memories", whole)
    assert loops(home, 5)[0].halted
    assert read_decided(home).latest.windows == (window(4, 5),)
    assert len(set_asides.made(Warehouse(home / "warehouse.duckdb", "tiny"))) == 1


def test_an_accepted_window_is_learned_by_the_next_turn_and_looked_at_no_more(halted: Path, tmp_path: Path) -> None:
    home = copied(halted, tmp_path)
    said = command("accept-window", "--home", str(home), "--reason", "a campaign turned tastes round")
    assert said.startswith("ACCEPTED: the window [2011-01-30T00:00:00Z, 2011-01-31T00:00:00Z)")
    (record,) = loops(home, 6)
    assert not record.halted and record.generation == 2
    w = Warehouse(home / "warehouse.duckdb", "tiny")
    shown = frames.matured(w, ALL, LIKE)
    inside = shown["at"].between(instant_of(day(4)), instant_of(day(5)) - 1)
    assert inside.sum() > 500
    assert (shown["matured_at"][inside] == instant_of(day(5))).all(), "it counts as known since it was accepted"
    assert read_decided(home).latest.windows == ()
    assert "a campaign" in command("status", "--home", str(home)).replace("\n", " ")


def test_a_log_that_is_brought_again_replaces_what_was_wrong_and_is_checked_again(
    halted: Path, tmp_path: Path, tiny: TinySource
) -> None:
    home = copied(halted, tmp_path)
    inside = tiny.frame["when"].between(15_004 * DAY, 15_005 * DAY - 1)
    mended = tiny.frame[inside].iloc[:-3]
    ends = tiny.frame[inside].iloc[[-1]]
    pd.concat([mended, ends]).to_parquet(tmp_path / "mended.parquet", index=False)
    words = (
        "ingest",
        str(tmp_path / "mended.parquet"),
        "--source",
        str(tiny.description),
        "--home",
        str(home),
        "--mend",
    )
    assert "mended: [2011-01-30T00:00:00Z, 2011-01-31T00:00:00Z)" in command(*words)
    w = Warehouse(home / "warehouse.duckdb", "tiny")
    shown = frames.matured(w, ALL, LIKE).set_index("impression_id")
    truth = (
        tiny.frame[inside]
        .assign(
            impression_id=lambda f: (
                f["who"].astype(str) + "|" + f["what"].astype(str) + "|" + (f["when"] * 1_000_000).astype(str)
            )
        )
        .set_index("impression_id")["liked"]
    )
    kept = truth[truth.index.isin(shown.index)]
    assert set(truth.index) - set(kept.index) == set(truth.index[-3:-1]), "what was left out is rejected"
    assert (shown.loc[kept.index, "reward"] == kept).all()
    (record,) = loops(home, 6)
    assert not record.halted and record.generation == 2


def test_a_log_that_is_brought_again_as_it_was_halts_again(halted: Path, tmp_path: Path, tiny: TinySource) -> None:
    home = copied(halted, tmp_path)
    still = inverted(tiny.frame, 4, 5)
    still[still["when"].between(15_004 * DAY, 15_005 * DAY - 1)].to_parquet(tmp_path / "still.parquet", index=False)
    words = (
        "ingest",
        str(tmp_path / "still.parquet"),
        "--source",
        str(tiny.description),
        "--home",
        str(home),
        "--mend",
    )
    command(*words)
    (record,) = loops(home, 6)
    assert record.halted
    shown = frames.matured(Warehouse(home / "warehouse.duckdb", "tiny"), ALL, LIKE)["at"]
    assert not shown.between(instant_of(day(4)), instant_of(day(6)) - 1).any()


def test_a_learned_window_is_taken_out_and_the_rest_is_learned_again(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    w = opened(home, tiny, tiny.frame)
    loops(home, 4, 5, 6)
    champion = ledger.champion(w)
    ends = f"{day(4).isoformat()}..{day(5).isoformat()}"
    said = command("quarantine", "--home", str(home), "--window", ends, "--reason", "a bot after all")
    assert said.startswith("QUARANTINED: nobody learns from") and ledger.champion(w) == 1
    pointer = read_pointer(home)
    assert pointer is not None and pointer.generation == 1
    assert champion == 1 or f"generation 1 answers instead of {champion}" in said
    assert ledger.memories_after(w, instant_of(day(4))) == ()
    assert read_snapshot(home, 1) is None or read_snapshot(home, 1).cutoff <= instant_of(day(4))  # type: ignore[union-attr]
    (record,) = loops(home, 7)
    assert record.parent == 1 and record.generation > 2, "numbers are never used again"
    made = ledger.generation(w, record.generation)
    rows = frames.matured(w, window(5, 7), LIKE)
    held = record.held_out.judged
    assert made.rows <= len(rows) and made.rows >= len(rows) - 3 * held - 400, "two days, not one"
    assert made.rows > len(frames.matured(w, window(6, 7), LIKE)) * 0.9


def bad(reason: str = "why", start: int = 4, cutoff: int = 5) -> tuple[datetime, datetime, str]:
    return day(start), day(cutoff), reason


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (bad(reason=" "), "the reason is empty"),
        (bad(start=5, cutoff=5), "is empty; its start must come before its end"),
        (bad(start=5, cutoff=9), "the window ends 2011-02-04T00:00:00Z; learned is up to 2011-01-31T00:00:00Z"),
        (bad(start=2, cutoff=3), "began before there was a champion that knows nothing of it"),
    ],
)
def test_what_cannot_be_taken_out_is_refused_in_one_line(
    halted: Path, asked: tuple[datetime, datetime, str], fault: str
) -> None:
    with pytest.raises(ContractBroken, match=fault):
        quarantine(str(halted), *asked)


def test_a_window_that_is_not_set_aside_cannot_be_accepted_or_mended(
    halted: Path, tmp_path: Path, tiny: TinySource
) -> None:
    with pytest.raises(ContractBroken, match="no window that ends 2011-02-01T00:00:00Z is set aside; set aside: "):
        accept_window(str(halted), day(6), "why")
    with pytest.raises(ContractBroken, match="the reason is empty"):
        accept_window(str(halted), day(5), "")
    later = tiny.frame[tiny.frame["when"] >= 15_006 * DAY]
    later.to_parquet(tmp_path / "later.parquet", index=False)
    with pytest.raises(ContractBroken, match="no window that is set aside does"):
        command(
            "ingest",
            str(tmp_path / "later.parquet"),
            "--source",
            str(tiny.description),
            "--home",
            str(halted),
            "--mend",
        )


def test_too_many_broken_rows_set_the_window_aside_instead_of_stopping_the_loop(
    tmp_path: Path, tiny: TinySource
) -> None:
    from warehouse.connect import connect

    home = tmp_path / "home"
    w = opened(home, tiny, tiny.frame)
    loops(home, 4)
    with connect(w.path) as connection:
        connection.execute(
            "update impressions set position = -1 where shown_at >= make_timestamp(?) and shown_at < make_timestamp(?) "
            "and hash(impression_id) % 10 = 0",
            [instant_of(day(4)), instant_of(day(5))],
        )
    halted, after = loops(home, 5, 6)
    assert halted.halted and "broke a contract, 5.0% is allowed; most often: position below 0" in halted.reasons[0]
    assert not after.halted and after.generation == 2
    rows = frames.matured(w, ALL, LIKE)["at"]
    assert not rows.between(instant_of(day(4)), instant_of(day(5)) - 1).any()


def test_a_window_of_nothing_is_no_turn(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    w = opened(home, tiny, tiny.frame)
    loops(home, 4)
    record = daily_loop(str(home), day(4) + timedelta(microseconds=1))
    assert record.requests == 0 and "nothing was logged in" in record.reasons[0]
    assert len(ledger.windows(w, 0, 1 << 60)) == 1
    assert "stays as it is" in refresh_memory(str(home), day(4) + timedelta(microseconds=1))
    assert read_status(Workspace(home)).champion == 1


def test_what_comes_after_its_window_was_closed_is_told_and_learned_by_one_turn(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    late = tiny.frame["when"].between(15_002 * DAY, 15_003 * DAY - 1)
    w = opened(home, tiny, tiny.frame[~late])
    loops(home, 4, 5)
    opened(home, tiny, tiny.frame[late])
    told, after = loops(home, 6, 7)
    shown = int(late.sum())
    assert f"{shown} impressions and {shown} outcomes came after their windows were closed" in told.notices[0]
    assert "2011-01-30T00:00:00Z)" in told.notices[0]
    assert after.notices == ()
    assert "came after" in command("loop", "--home", str(home), "--cutoff", day(6).isoformat()).replace("\n", " ")
    assert facts.late(w, instant_of(day(7))) == ()
    rows = frames.matured(w, window(5, 6), LIKE)["at"]
    assert rows.between(instant_of(day(2)), instant_of(day(3)) - 1).sum() == shown
    assert not frames.matured(w, window(6, 7), LIKE)["at"].between(0, instant_of(day(5))).any()


def test_an_old_export_that_is_delivered_again_changes_nothing(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    opened(home, tiny, tiny.frame)
    loops(home, 4, 5)
    old = tiny.frame[tiny.frame["when"] < 15_003 * DAY]
    old.to_csv(tmp_path / "again.csv", index=False)
    words = ("ingest", str(tmp_path / "again.csv"), "--source", str(tiny.description), "--home", str(home))
    assert f"{len(old)} rows received, 0 new, {len(old)} here already" in command(*words)
    (record,) = loops(home, 6)
    assert record.notices == () and not record.halted


def test_a_clock_that_is_ahead_is_named(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    ahead = tiny.frame.copy()
    ahead.loc[ahead.index[-10:], "when"] = 40_000 * DAY
    opened(home, tiny, ahead)
    (record,) = loops(home, 5)
    assert "10 impressions are logged as shown after now" in record.notices[0]
    assert "the last 2079-07-08T" in record.notices[0]
