"""Closed files of the decision log become archives: nothing is lost, and a warehouse can be made of them again."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.domain import DAY, ContractBroken
from components.ingest import archive as archiving
from components.ingest.archive import archive_of, archived_lines, restore
from components.ingest.log_lines import BriefRequest, ForgetLine, ItemLine, parse_brief, user_digest
from components.ingest.log_tail import LogTail
from components.publish.retention import RetentionSettings
from flows.archive import archivable, archive
from flows.prune_plan import Keep, holdings, planned
from flows.stages.decisions import take_decisions
from flows.stages.forget import forget
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.flows.test_decisions import AT, empty, outcome, put, request, rows, warehouse, whole_log

OLD = ("2026-01-01-7-1.jsonl", "2026-01-01-8-2.jsonl", "2026-01-02-7-3.jsonl")
KEPT = RetentionSettings(segments_days=30)
LATEST = AT + 40 * DAY


@pytest.fixture
def home(tmp_path: Path, tiny: TinySource) -> Workspace:
    """Three old files, one of them with a torn end, and one of today."""
    home = empty(tmp_path / "home", tiny)
    whole_log(home)
    put(home, "2026-01-01-7-1", b'{"torn')
    put(home, "2026-02-10-9-4", request("r9", "eve", LATEST), outcome("r9-0", LATEST + 1))
    return home


def names(home: Workspace, latest: int = LATEST) -> list[str]:
    return [Path(item.path).name for item in archivable(home, warehouse(home), latest, KEPT)]


def archive_all(home: Workspace) -> None:
    for name in names(home):
        archive(home, warehouse(home), name)


def test_what_is_not_in_the_warehouse_or_not_over_is_not_archived(home: Workspace) -> None:
    take_decisions(home)
    assert names(home) == list(OLD)
    assert names(home, AT + 30 * DAY) == []
    put(home, "2026-01-02-7-3", outcome("r1-1"))
    assert names(home) == list(OLD[:2]), "a line that was not taken yet"
    take_decisions(home)
    assert names(home) == list(OLD)


def test_a_file_that_its_writer_may_still_have_open_is_not_archived(tmp_path: Path, tiny: TinySource) -> None:
    home = empty(tmp_path / "home", tiny)
    whole_log(home)
    take_decisions(home)
    assert names(home) == [], "the newest file is of the next day"


def test_an_archive_is_the_file_line_by_line_and_its_changes_stay_for_a_service_that_starts(home: Workspace) -> None:
    take_decisions(home)
    before = {name: (home.decisions / name).read_bytes() for name in OLD}
    archive_all(home)
    for name in OLD:
        to = archive_of(home.root, name)
        assert b"".join(archived_lines(to)) == before[name]
        table = pq.read_table(to)
        assert table["line"].to_pylist() == list(range(1, len(table) + 1)) and set(table["file"].to_pylist()) == {name}
        offsets = table["offset"].to_pylist()
        assert all(before[name][at:].startswith(raw) for at, raw in zip(offsets, table["raw"].to_pylist(), strict=True))
    assert sorted(path.name for path in home.decisions.glob("*.jsonl")) == [*OLD[1:], "2026-02-10-9-4.jsonl"]
    lines = list(LogTail(home.root, 0, parse_brief).lines())
    assert [line.item_id for line in lines if isinstance(line, ItemLine)] == ["heat", "heat"]
    assert [line.request_id for line in lines if isinstance(line, BriefRequest)] == ["r9"]
    assert take_decisions(home) is None


def test_what_is_left_goes_when_every_kept_bundle_was_made_after_it(home: Workspace) -> None:
    take_decisions(home)
    archive_all(home)
    assert names(home) == list(OLD[1:]), "no bundle is kept that was made before"
    archive_all(home)
    assert [path.name for path in home.decisions.glob("*.jsonl")] == ["2026-02-10-9-4.jsonl"]
    assert names(home) == []


def test_an_archive_that_is_old_enough_to_go_stays_while_something_is_left_of_its_file(home: Workspace) -> None:
    take_decisions(home)
    archive_all(home)
    keep = Keep({}, (LATEST,), now=0.0, latest_in_stores=frozenset())
    gone = [h.path for h, _ in planned(holdings(home), keep, RetentionSettings(decisions_days=1.0))]
    assert [Path(path).stem for path in gone if "archive" in path] == [OLD[0].removesuffix(".jsonl")]
    archive_of(home.root, OLD[0]).unlink()
    assert take_decisions(home) is None, "what is left is known by its archive"


def test_a_warehouse_is_made_again_of_archives_and_segments(home: Workspace) -> None:
    take_decisions(home)
    before = rows(home)
    archive_all(home)
    put(home, "2026-02-10-9-4", outcome("r1-1", AT + 99))
    take_decisions(home)
    after = rows(home)
    assert len(after["outcomes"]) == len(before["outcomes"]) + 1, "a late outcome finds what was archived"
    home.database.unlink()
    take_decisions(home)
    assert rows(home) == after
    assert take_decisions(home) is None


def test_an_archive_becomes_the_file_again(home: Workspace, tmp_path: Path) -> None:
    take_decisions(home)
    content = (home.decisions / OLD[0]).read_bytes()
    archive_all(home)
    restore(archive_of(home.root, OLD[0]), tmp_path / OLD[0])
    assert (tmp_path / OLD[0]).read_bytes() == content


@pytest.mark.parametrize("at", ["write_archive", "write_durably"])
def test_a_cut_while_archiving_leaves_file_or_archive_and_is_finished_by_the_next_run(
    home: Workspace, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_decisions(home)
    before = rows(home)

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"flows.archive.{at}", cut)
    with pytest.raises(KeyboardInterrupt):
        archive_all(home)
    monkeypatch.undo()
    archive_all(home)
    assert not list((home.decisions / "archive").glob(".*"))
    home.database.unlink()
    take_decisions(home)
    assert rows(home) == before


def test_a_disk_that_does_not_give_back_what_was_written_keeps_the_file(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_decisions(home)
    monkeypatch.setattr(archiving, "archived_lines", lambda _: iter([b"other\n"]))
    with pytest.raises(ContractBroken, match="does not read as"):
        archive(home, warehouse(home), OLD[0])
    assert (home.decisions / OLD[0]).exists() and not archive_of(home.root, OLD[0]).exists()


def test_a_file_that_was_changed_since_it_was_taken_is_not_archived(home: Workspace) -> None:
    take_decisions(home)
    path = home.decisions / OLD[0]
    path.write_bytes(path.read_bytes().replace(b'"bob"', b'"bub"'))
    with pytest.raises(ContractBroken, match="was changed within"):
        archive(home, warehouse(home), OLD[0])
    assert path.exists() and not archive_of(home.root, OLD[0]).exists()


def test_a_damaged_archive_is_named(home: Workspace) -> None:
    take_decisions(home)
    archive_all(home)
    to = archive_of(home.root, OLD[0])
    to.write_bytes(to.read_bytes()[:-9])
    home.database.unlink()
    with pytest.raises(ContractBroken, match=r"2026-01-01-7-1.parquet cannot be read: .*put it back from a copy"):
        take_decisions(home)


def test_forgetting_somebody_reaches_archives(home: Workspace) -> None:
    take_decisions(home)
    archive_all(home)
    put(home, "2026-02-10-9-4", outcome("r4-1", LATEST), ForgetLine(user_digest("dan"), LATEST + 5, "dan"))
    take_decisions(home)
    made = forget(home)
    assert made is not None and made.warehouse["requests"] == 1
    assert made.decision_log == 5, (
        "request and user in the archive, the user's change in what is left, outcome, question"
    )
    kept = [b"".join(archived_lines(archive_of(home.root, name))) for name in OLD]
    kept += [path.read_bytes() for path in home.decisions.glob("*.jsonl")]
    assert all(b'"dan"' not in content for content in kept)
    assert take_decisions(home) is None and forget(home) is None
    home.database.unlink()
    take_decisions(home)
    assert [r["request_id"] for r in rows(home)["requests"]] == ["r1", "r2", "r3", "r9"]


def test_the_log_of_a_home_without_one_has_nothing_to_archive(tmp_path: Path, tiny: TinySource) -> None:
    home = Workspace(tmp_path)
    (home.root / "source.toml").write_bytes(tiny.description.read_bytes())
    assert names(home) == []
