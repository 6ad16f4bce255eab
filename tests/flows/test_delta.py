"""A Delta table is followed by its versions: what one adds is taken once, what only rewrites brings nothing."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from components.domain import ContractBroken
from components.ingest import delta
from flows.stages.ingest import ingest_file
from flows.stages.lake import LakeTaken, take_lake
from flows.workspace import Workspace, enter
from tests.flows.lakes import described, look_and_be_killed, name_lake, piece, rows_of


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    name_lake(tmp_path / "home", tmp_path / "table")
    return enter(tmp_path / "home")


def append(root: Path, *numbers: int) -> None:
    deltalake = pytest.importorskip("deltalake")
    for number in numbers:
        deltalake.write_deltalake(root / "table", piece(number), mode="append", partition_by=["shop"])


def opened(root: Path):  # type: ignore[no-untyped-def]
    return pytest.importorskip("deltalake").DeltaTable(root / "table")


def look(home: Workspace) -> LakeTaken:
    return take_lake(home, described(home.root.parent))


def as_one_file(root: Path, numbers: range) -> list[tuple[object, ...]]:
    pa_parquet.write_table(pa.concat_tables([piece(n) for n in numbers]), root / "whole.parquet")
    home = enter(root / "one")
    ingest_file(home, root / "whole.parquet", described(root))
    return rows_of(home)


def test_each_look_goes_on_from_the_version_before_and_the_rows_are_those_of_one_file(
    home: Workspace, tmp_path: Path
) -> None:
    append(tmp_path, 0, 1)
    assert len(look(home).batches) == 2
    append(tmp_path, 2, 3, 4)
    assert len(look(home).batches) == 3
    assert look(home) == LakeTaken()
    assert rows_of(home) == as_one_file(tmp_path, range(5))


@pytest.mark.parametrize("where", ["inside", "between"])
@pytest.mark.parametrize("known", [0, 2], ids=["the first look", "a later look"])
def test_an_ingest_that_is_killed_is_gone_on_with(home: Workspace, tmp_path: Path, where: str, known: int) -> None:
    """In the first look all files are one version's; later a version of three files comes, and one of a single file."""
    deltalake = pytest.importorskip("deltalake")
    append(tmp_path, *range(known))
    if known:
        look(home)
    several = pa.concat_tables([piece(known + n) for n in range(3)])
    deltalake.write_deltalake(tmp_path / "table", several, mode="append", partition_by=["shop"])
    append(tmp_path, known + 3)
    look_and_be_killed(home, tmp_path, where)
    assert len(rows_of(home)) == 20 * known + (40 if where == "inside" else 60)
    assert [batch.rows for batch in look(home).batches] == [20] * (2 if where == "inside" else 1)
    assert look(home) == LakeTaken()
    assert rows_of(home) == as_one_file(tmp_path, range(known + 4))


def test_a_version_that_only_rewrites_files_brings_nothing(home: Workspace, tmp_path: Path) -> None:
    append(tmp_path, 0, 3)
    look(home)
    opened(tmp_path).optimize.compact()
    append(tmp_path, 6)
    assert [batch.rows for batch in look(home).batches] == [20]
    assert len(rows_of(home)) == 60


def test_a_version_that_takes_rows_away_is_refused_by_number_and_can_be_passed(home: Workspace, tmp_path: Path) -> None:
    append(tmp_path, 0)
    look(home)
    append(tmp_path, 1)
    opened(tmp_path).delete("what = 'i1'")
    append(tmp_path, 2)
    with pytest.raises(ContractBroken, match=r"version 2 of .* \(DELETE\) takes rows away: 1 files") as told:
        look(home)
    assert "\n" not in str(told.value)
    assert len(rows_of(home)) == 40
    name_lake(home.root, tmp_path / "table", "after_version = 2")
    assert [batch.rows for batch in look(home).batches] == [20]
    assert look(home) == LakeTaken()


def test_a_first_look_that_broke_off_goes_on_at_its_version_whatever_was_rewritten_since(
    home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, 0, 3, 6)
    from flows.stages import lake

    real, calls = lake.bring_file, []

    def broken(*of: object) -> object:
        calls.append(of)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(lake, "bring_file", broken)
    with pytest.raises(KeyboardInterrupt):
        look(home)
    monkeypatch.undo()
    opened(tmp_path).optimize.compact()
    assert [batch.rows for batch in look(home).batches] == [20, 20]
    assert look(home) == LakeTaken()


def test_what_vacuum_took_before_it_was_read_is_told_in_one_line(home: Workspace, tmp_path: Path) -> None:
    append(tmp_path, 0)
    look(home)
    append(tmp_path, 3)
    opened(tmp_path).optimize.compact()
    opened(tmp_path).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(ContractBroken, match="added by version 1, is gone: VACUUM took it") as told:
        look(home)
    assert "\n" not in str(told.value)


def test_a_commit_that_is_gone_is_told_in_one_line(home: Workspace, tmp_path: Path) -> None:
    append(tmp_path, 0)
    look(home)
    append(tmp_path, 1, 2)
    opened(tmp_path).create_checkpoint()
    (tmp_path / "table" / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(ContractBroken, match=r"version 1 of .* is gone from its _delta_log, the newest is 2"):
        look(home)


@pytest.mark.parametrize(
    "protocol",
    [
        {"minReaderVersion": 99, "minWriterVersion": 99},
        {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["teleport"], "writerFeatures": ["teleport"]},
        {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"],
        },
    ],
)
def test_a_table_of_a_newer_protocol_is_refused_in_one_line(
    home: Workspace, tmp_path: Path, protocol: dict[str, object]
) -> None:
    append(tmp_path, 0)
    first = tmp_path / "table" / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in first.read_text().splitlines()]
    told = [{"protocol": protocol} if "protocol" in action else action for action in actions]
    first.write_text("\n".join(json.dumps(action) for action in told))
    with pytest.raises(ContractBroken, match="table") as refused:
        look(home)
    assert "\n" not in str(refused.value)


def test_without_the_extra_it_is_named_in_one_line(
    home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table" / "_delta_log").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(ContractBroken, match=r"is a Delta table; reading one needs an extra: pip install"):
        look(home)


@pytest.mark.parametrize(
    ("actions", "names"),
    [
        ([{"add": {"path": "day=a%2520b/1.parquet", "partitionValues": {"day": "a b"}, "dataChange": True}}], 1),
        ([{"add": {"path": "1.parquet", "partitionValues": {}, "dataChange": False}}], 0),
        ([{"remove": {"path": "1.parquet", "dataChange": False}}, {"commitInfo": {"operation": "OPTIMIZE"}}], 0),
        ([{"metaData": {}}], 0),
    ],
)
def test_a_commit_says_which_files_brought_rows(tmp_path: Path, actions: list[dict[str, object]], names: int) -> None:
    (tmp_path / "_delta_log").mkdir()
    commit = "\n".join(json.dumps(action) for action in actions)
    (tmp_path / "_delta_log" / f"{4:020d}.json").write_text(commit)
    added = delta.files_added(delta.Table(tmp_path, 4, frozenset()), 4)
    assert len(added) == names
    assert all(one.name == "day=a%20b/1.parquet" and one.folders.given == {"day": "a b"} for one in added)
