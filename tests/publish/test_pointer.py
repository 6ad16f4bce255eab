"""Pointers move whole or not at all; the ledger only grows."""

import resource

import pytest

from components.domain import ContractBroken, Transient
from components.publish.pointer import (
    LEDGER,
    Pointer,
    Release,
    ReleaseKind,
    Role,
    append_release,
    clear_pointer,
    move_pointer,
    pointer_path,
    read_pointer,
    read_releases,
)


def release(number, **changes):
    first = {"release": number, "generation": number, "kind": ReleaseKind.PROMOTE, "reason": "not worse", "at": 5}
    return Release(**{**first, **changes})


def test_a_pointer_that_was_never_set_is_none(tmp_path):
    assert read_pointer(tmp_path) is None
    clear_pointer(tmp_path, Role.CHALLENGER)


def test_a_moved_pointer_is_read_back_and_leaves_no_scraps(tmp_path):
    move_pointer(tmp_path, Role.CHAMPION, Pointer.to(7))
    move_pointer(tmp_path, Role.CHAMPION, Pointer.to(8))
    move_pointer(tmp_path, Role.CHALLENGER, Pointer.to(9))
    assert read_pointer(tmp_path) == Pointer(generation=8, bundle="bundles/g000008")
    assert sorted(p.name for p in (tmp_path / "pointers").iterdir()) == ["challenger.json", "champion.json"]
    clear_pointer(tmp_path, Role.CHALLENGER)
    assert read_pointer(tmp_path, Role.CHALLENGER) is None


@pytest.mark.parametrize("content", ["", "{", '{"generation": 0, "bundle": "x"}', '{"folder": "bundles/g000007"}'])
def test_a_file_that_is_no_pointer_is_refused(tmp_path, content):
    path = pointer_path(tmp_path, Role.CHAMPION)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ContractBroken, match="is no pointer; allowed is"):
        read_pointer(tmp_path)


def test_a_full_disk_keeps_the_old_pointer(tmp_path):
    move_pointer(tmp_path, Role.CHAMPION, Pointer.to(7))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(Transient, match=r"cannot write .*champion\.json"):
            move_pointer(tmp_path, Role.CHAMPION, Pointer.to(8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_pointer(tmp_path) == Pointer.to(7)
    assert len(list((tmp_path / "pointers").iterdir())) == 1


def test_the_ledger_keeps_every_move_in_order(tmp_path):
    assert read_releases(tmp_path) == ()
    append_release(tmp_path, release(1))
    append_release(tmp_path, release(2, kind=ReleaseKind.ROLL_BACK, generation=1, previous=2))
    assert [r.release for r in read_releases(tmp_path)] == [1, 2]
    assert read_releases(tmp_path)[1].kind is ReleaseKind.ROLL_BACK


def test_a_resumed_turn_does_not_repeat_its_line(tmp_path):
    append_release(tmp_path, release(1))
    append_release(tmp_path, release(2))
    append_release(tmp_path, release(1, at=99))
    assert [r.release for r in read_releases(tmp_path)] == [1, 2]


def test_history_is_not_rewritten(tmp_path):
    append_release(tmp_path, release(1))
    with pytest.raises(ContractBroken, match=r"release 1 is PROMOTE of generation 1 .* received HOLD of generation 1"):
        append_release(tmp_path, release(1, kind=ReleaseKind.HOLD))


def test_a_torn_last_line_is_left_out_and_cut_off_by_the_next_write(tmp_path):
    append_release(tmp_path, release(1))
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b'{"release": 2, "gener')
    assert len(read_releases(tmp_path)) == 1
    append_release(tmp_path, release(2))
    assert [r.release for r in read_releases(tmp_path)] == [1, 2]


def test_a_broken_line_inside_the_ledger_is_not_passed_over(tmp_path):
    (tmp_path / LEDGER).write_text('{"release": 1}\n')
    with pytest.raises(ContractBroken, match="append-only"):
        read_releases(tmp_path)


def test_a_release_needs_a_reason(tmp_path):
    with pytest.raises(ValueError, match="reason"):
        release(1, reason="")
