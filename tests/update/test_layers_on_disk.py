"""Generations share what they have in common: every one is whole by itself, and the disk holds it once."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.domain import DAY, ContractBroken
from components.ranker.layer_files import BASE_FILES, CHANGE_FILES, CHANGED, TABLE
from components.ranker.settings import RankerSettings
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from components.update.settings import UpdateSettings
from components.update.train import pretrain
from components.update.warm_start import warm_start
from tests.ranker.windows import SPEC, window
from tests.update import before_layers
from tests.update.test_warm_start import assert_same

RANKER = RankerSettings(architecture="deepfm", embedding_size=4, hidden_sizes=(8, 4))
UPDATE = UpdateSettings(batch_size=32, max_epochs=2, ttl_days=5.0, floor_rows=0)


@pytest.fixture(scope="module")
def first() -> Checkpoint:
    """Many ids, of which each of the days after touches few."""
    return pretrain(SPEC, window(0, rows=3000, ids=600), RANKER, UPDATE, 7).checkpoint


def day(parent: Checkpoint, number: int) -> Checkpoint:
    """A warm start over a few ids, some of them new; on day 3 whoever was not seen since day 0 expires."""
    fresh = window(number, days=1, rows=60, ids=30, first_id=575)
    return warm_start(parent, fresh, None, (number + 3) * DAY, UPDATE, number).checkpoint


def written(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if p.suffix == ".npy"}


def generations(first: Checkpoint, home: Path, count: int, full_every: int) -> list[Checkpoint]:
    """Each continued from the files of the one before."""
    save_checkpoint(first, home / "1", full_every)
    made = [load_checkpoint(home / "1")]
    for number in range(2, count + 1):
        save_checkpoint(day(made[-1], number), home / str(number), full_every)
        made.append(load_checkpoint(home / str(number)))
    return made


def test_generations_written_as_changes_are_those_written_whole_to_the_bit(first: Checkpoint, tmp_path: Path) -> None:
    as_changes = generations(first, tmp_path / "changes", 4, 10)
    whole = generations(first, tmp_path / "whole", 4, 1)
    examples = window(2, rows=500, ids=700).examples
    kept = first
    for number, (one, other) in enumerate(zip(as_changes, whole, strict=True), start=1):
        kept = kept if number == 1 else day(kept, number)
        assert_same(one, other)
        assert_same(one, kept)
        assert one.model.digest() == other.model.digest() == kept.model.digest()
        assert one.model.predict(examples).logit.tobytes() == other.model.predict(examples).logit.tobytes()
        assert written(tmp_path / "whole" / str(number)) == set(BASE_FILES)
    assert written(tmp_path / "changes" / "2") == {*BASE_FILES, *CHANGE_FILES}


def test_what_did_not_change_lies_on_the_disk_once(first: Checkpoint, tmp_path: Path) -> None:
    generations(first, tmp_path, 2, 10)
    for name in BASE_FILES:
        assert (tmp_path / "1" / name).samefile(tmp_path / "2" / name)
    assert not list(tmp_path.rglob(".*"))
    changes = sum((tmp_path / "2" / name).stat().st_size for name in CHANGE_FILES)
    assert changes < sum((tmp_path / "1" / name).stat().st_size for name in BASE_FILES) / 3


def test_one_of_so_many_is_whole_and_never_more_than_two_layers_are_read(first: Checkpoint, tmp_path: Path) -> None:
    made = generations(first, tmp_path, 5, 2)
    assert [one.model.base.since for one in made if one.model.base] == [0, 1, 0, 1, 0]
    assert [CHANGED in written(tmp_path / str(n)) for n in range(1, 6)] == [False, True, False, True, False]


def test_where_most_rows_changed_all_are_written(first: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(first, tmp_path / "1")
    everybody = window(1, rows=4000, ids=600)
    made = warm_start(load_checkpoint(tmp_path / "1"), everybody, None, 3 * DAY, UPDATE, 1).checkpoint
    save_checkpoint(made, tmp_path / "2")
    assert CHANGED not in written(tmp_path / "2")
    assert_same(load_checkpoint(tmp_path / "2"), made)


def test_a_file_system_without_links_gets_copies(
    first: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    made = generations(first, tmp_path, 2, 10)
    assert written(tmp_path / "2") == {*BASE_FILES, *CHANGE_FILES}
    assert not (tmp_path / "2" / TABLE).samefile(tmp_path / "1" / TABLE)
    assert_same(made[1], day(first, 2))


def test_who_has_a_generation_mapped_goes_on_when_its_folder_is_pruned(first: Checkpoint, tmp_path: Path) -> None:
    made = generations(first, tmp_path, 2, 10)
    shutil.rmtree(tmp_path / "1")
    shutil.rmtree(tmp_path / "2")
    expected = day(day(first, 2), 3)
    assert_same(day(made[1], 3), expected)
    save_checkpoint(day(made[1], 3), tmp_path / "3")
    assert written(tmp_path / "3") == set(BASE_FILES)
    assert_same(load_checkpoint(tmp_path / "3"), expected)


def test_a_child_outlives_its_pruned_parent(first: Checkpoint, tmp_path: Path) -> None:
    generations(first, tmp_path, 2, 10)
    shutil.rmtree(tmp_path / "1")
    assert_same(load_checkpoint(tmp_path / "2"), day(first, 2))


def test_changes_are_never_put_on_files_that_came_in_the_place_of_the_base(first: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(first, tmp_path / "1")
    parent = load_checkpoint(tmp_path / "1")
    save_checkpoint(day(day(first, 2), 3), tmp_path / "1")
    save_checkpoint(day(parent, 2), tmp_path / "2")
    assert written(tmp_path / "2") == set(BASE_FILES)
    assert_same(load_checkpoint(tmp_path / "2"), day(first, 2))


def test_a_checkpoint_written_over_its_own_base_is_whole_again(first: Checkpoint, tmp_path: Path) -> None:
    expected = first
    save_checkpoint(first, tmp_path, 2)
    for number in (2, 3, 4):
        expected = day(expected, number)
        save_checkpoint(day(load_checkpoint(tmp_path), number), tmp_path, 2)
        assert_same(load_checkpoint(tmp_path), expected)


def test_training_does_not_reach_the_parents_files(first: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(first, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    parent = load_checkpoint(tmp_path)
    day(parent, 2)
    assert_same(parent, first)
    parent.model.table.put(np.arange(5), 9.0)
    parent.model.table.block[7] = 9.0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", [*BASE_FILES, *CHANGE_FILES])
@pytest.mark.parametrize("fault", ["flipped", "missing", "exchanged", "cut"])
def test_a_file_that_is_not_what_was_written_is_refused_in_one_line(
    first: Checkpoint, tmp_path: Path, name: str, fault: str
) -> None:
    generations(first, tmp_path, 3, 10)
    part = tmp_path / "3" / name
    raw = bytearray(part.read_bytes())
    part.unlink()  # it is a link: what happens to it here does not happen to the others
    if fault == "flipped":
        raw[-1] ^= 1
        part.write_bytes(raw)
    elif fault == "cut":
        part.write_bytes(raw[: len(raw) // 2])
    elif fault == "exchanged":
        save_checkpoint(day(first, 9), tmp_path / "other", 1)
        other = tmp_path / "2" / name if name in CHANGE_FILES else tmp_path / "other" / name
        shutil.copyfile(other, part)
    with pytest.raises(ContractBroken) as refused:
        load_checkpoint(tmp_path / "3")
    said = str(refused.value)
    assert "\n" not in said and f"checkpoint {tmp_path / '3'}, part {name}: the manifest says" in said


def test_a_checkpoint_whose_writing_was_killed_is_refused_and_written_anew(first: Checkpoint, tmp_path: Path) -> None:
    made = generations(first, tmp_path, 2, 10)
    (tmp_path / "2" / "parts.json").unlink()
    with pytest.raises(ContractBroken, match=r"no whole checkpoint in .*: there is no parts\.json; run the loop again"):
        load_checkpoint(tmp_path / "2")
    save_checkpoint(day(made[0], 2), tmp_path / "2")
    assert_same(load_checkpoint(tmp_path / "2"), made[1])


def test_who_was_forgotten_is_in_no_file_of_what_is_made_from_then_on(first: Checkpoint, tmp_path: Path) -> None:
    generations(first, tmp_path, 2, 10)
    keys = np.array([1_000_003, 1_000_580], np.uint64)  # one whom the window after touched, one whom it did not
    parent = load_checkpoint(tmp_path / "2")
    rows = parent.model.rows(np.repeat(keys[:, None], SPEC.key_columns, 1))[:, 0]
    bits = [key.tobytes() for key in keys] + [row.tobytes() for row in parent.model.table.layers.take(rows)[:, :4]]
    parent.model.forget(keys)
    save_checkpoint(parent, tmp_path / "3")
    held = [b"".join(p.read_bytes() for p in (tmp_path / n).iterdir()) for n in ("2", "3")]
    assert [[one in files for one in bits] for files in held] == [[True] * 4, [False] * 4]


def test_who_expired_and_is_forgotten_then_leaves_the_base_too(first: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(first, tmp_path / "1")
    late = warm_start(load_checkpoint(tmp_path / "1"), window(2, 1, 40, 30, 575), None, 9 * DAY, UPDATE, 1).checkpoint
    key = np.array([1_000_003], np.uint64)
    assert key[0] not in late.model.vocabulary.keys and late.model.vocabulary.base_knows(key)
    late.model.forget(key)
    save_checkpoint(late, tmp_path / "2")
    assert key.tobytes() not in b"".join(p.read_bytes() for p in (tmp_path / "2").iterdir())


def test_a_checkpoint_from_before_there_were_layers_is_continued_to_the_bit(first: Checkpoint, tmp_path: Path) -> None:
    before_layers.write_checkpoint(day(first, 2), tmp_path / "old")
    old = load_checkpoint(tmp_path / "old")
    assert_same(old, day(first, 2))
    assert_same(day(old, 3), day(day(first, 2), 3))
    save_checkpoint(day(old, 3), tmp_path / "new")
    assert_same(load_checkpoint(tmp_path / "new"), day(day(first, 2), 3))


@pytest.mark.parametrize("table", ["hashed", "double_hashed"])
def test_a_hashed_table_shares_too(tmp_path: Path, table: str) -> None:
    ranker = RANKER.model_copy(update={"table": table, "buckets": 4096})
    first = pretrain(SPEC, window(0), ranker, UPDATE, 7).checkpoint
    made = generations(first, tmp_path, 2, 10)
    assert written(tmp_path / "2") == {TABLE, CHANGED, "table.changes.npy"}
    assert_same(made[1], day(first, 2))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="asks the Linux kernel which pages are shared")
def test_processes_that_read_a_generation_share_its_pages(first: Checkpoint, tmp_path: Path) -> None:
    from components.ranker.model_file import load_forward

    generations(first, tmp_path, 2, 10)
    forward = load_forward(tmp_path / "2")
    forward.predict(window(2, rows=500, ids=700).examples)
    forward.digest()
    own = private_kib(tmp_path / "2")
    assert set(own) >= {"table.npy", "vocabulary.npy", "index.npy", "table.changes.npy"}
    assert not any(own.values())


def private_kib(folder: Path) -> dict[str, int]:
    """Name of each file of a folder that this process has mapped -> KiB of it that it had to copy."""
    found: dict[str, int] = {}
    name = ""
    for line in Path(f"/proc/{os.getpid()}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            name = Path(words[5]).name if len(words) > 5 and Path(words[5]).parent == folder else ""
        elif name and words[0] == "Private_Dirty:":
            found[name] = found.get(name, 0) + int(words[1])
    return found
