"""Overwriting lines of the decision log: whole, of the same length, and finished after a cut."""

import os

import pytest

from components.ingest import redact as redacting
from components.ingest.decision_log import read_decision_log
from components.ingest.log_lines import (
    ForgetLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    ShownLine,
    UserLine,
    parse_line,
    user_digest,
    written,
)
from components.ingest.redact import asked_to_forget, redact


def request(name, user, at):
    return RequestLine(name, user, at, 1, {}, None, (ShownLine(f"{name}-0", "heat", 0, 0.5, 0.1, 0.1),))


@pytest.fixture
def home(tmp_path):
    """Two processes' files: one asked for ann and bob, the other took what came of it, and was told to forget ann."""
    (tmp_path / "decisions").mkdir()
    mine = [ServableLine(1, ("heat",)), request("r1", "ann", 10), request("r2", "bob", 20), request("r3", "ann", 90)]
    theirs = [
        OutcomeLine("r1-0", "rating", 9, 1.0, 30),
        OutcomeLine("r2-0", "rating", 9, 1.0, 31),
        UserLine("ann", 40, {"age": "7"}),
        OutcomeLine("r3-0", "rating", 9, 1.0, 95),
        ForgetLine(user_digest("ann"), 50, "ann"),
    ]
    (tmp_path / "decisions" / "2026-01-01-1-0.jsonl").write_bytes(b"".join(map(written, mine)) + b'{"torn')
    (tmp_path / "decisions" / "2026-01-01-2-0.jsonl").write_bytes(b"".join(map(written, theirs)))
    return tmp_path


def content(home):
    return {path.name: path.read_bytes() for path in sorted((home / "decisions").iterdir())}


def test_what_was_before_goes_and_what_came_after_stays(home):
    before = content(home)
    assert redact(home, asked_to_forget(home)) == 4
    after = content(home)
    assert {n: len(c) for n, c in after.items()} == {n: len(c) for n, c in before.items()}
    tables = read_decision_log(sorted((home / "decisions").glob("*.jsonl")))
    assert tables.requests["request_id"].tolist() == ["r2", "r3"]
    assert tables.outcomes["impression_id"].tolist() == ["r2-0", "r3-0"]
    assert not len(tables.entities["users"])
    told = parse_line(after["2026-01-01-2-0.jsonl"].splitlines()[-1])
    assert told.user == user_digest("ann") and told.user_id == "" and told.at == 50


def test_a_cut_in_the_middle_is_finished_by_the_next_call(home, monkeypatch):
    asked, real, done = asked_to_forget(home), os.pwrite, []

    def cut(handle, line, offset):
        if len(done) == 2:
            real(handle, line[:20], offset)
            raise KeyboardInterrupt
        done.append(offset)
        return real(handle, line, offset)

    monkeypatch.setattr(redacting.os, "pwrite", cut)
    with pytest.raises(KeyboardInterrupt):
        redact(home, asked)
    monkeypatch.setattr(redacting.os, "pwrite", real)
    redact(home, {})
    cut_and_mended = content(home)
    assert all(b'"ann"' not in c.replace(b'"r3","user_id":"ann"', b"") for c in cut_and_mended.values())
    assert redact(home, {"ann": 50}) == 0
    assert not (home / "decisions" / ".redaction.json").exists()
