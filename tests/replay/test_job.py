"""One replay of several: a process of its own, which ends in a line of its own and not after its parent."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.domain import ContractBroken, Transient
from flows.replay import job as jobs
from flows.replay.job import Ended, Job, Jobs, do, ended_file
from tests.conftest import TinySource
from tests.replay.records import played


def given(folder: Path, *asked: Job, api: str | None = None) -> str:
    folder.mkdir(exist_ok=True)
    (folder / jobs.ASKED).write_text(Jobs(jobs=asked, api=api).model_dump_json())
    return str(folder)


def told(folder: Path, number: int = 0) -> Ended:
    return Ended.model_validate_json(ended_file(folder, number).read_bytes())


def test_what_was_played_is_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(name="a", home=tmp_path / "home", source="nowhere", turns=2)
    played(job, [0.5, 0.6])
    monkeypatch.setattr(jobs.subprocess, "run", None)
    do(given(tmp_path / "jobs", job), 0)
    assert told(tmp_path / "jobs") == Ended(name="a", code=0, seconds=7.0)


def test_a_replay_of_fewer_turns_is_not_what_was_asked(tmp_path: Path) -> None:
    job = Job(name="a", home=tmp_path / "home", source="nowhere", turns=3)
    played(job, [0.5, 0.6])
    assert job.played is None
    assert job.model_copy(update={"turns": None}).played == 7.0


def test_a_replay_that_is_refused_says_so_in_its_own_line(tmp_path: Path) -> None:
    job = Job(name="a", home=tmp_path / "home", source="nowhere", turns=1)
    with pytest.raises(ContractBroken, match="unknown source 'nowhere'; allowed are"):
        do(given(tmp_path / "jobs", job), 0)
    ended = told(tmp_path / "jobs")
    assert (ended.name, ended.code) == ("a", 3) and ended.line.startswith("unknown source 'nowhere'")


@pytest.mark.parametrize(
    ("says", "code", "line"),
    [
        ("", -9, "its process was killed by signal 9; see .*replay.log"),
        ("a warning\nbusy: another run is using it\n", 75, "another run is using it"),
        ("Traceback\n  File\n", 1, "its process ended with 1; see .*replay.log"),
        ("fault: ValueError: so: so; set EVERCURRENT_DEBUG=1 to see where\n", 1, "ValueError: so: so; set EVER.*"),
        ("", 0, "its process ended with 0; see .*replay.log"),
    ],
)
def test_whatever_ends_a_replay_has_a_line_and_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, line: str
) -> None:
    def run(words: list[str], stderr: object, **rest: object) -> "subprocess.CompletedProcess[bytes]":
        job.log.write_text(says)
        return subprocess.CompletedProcess(words, code)

    job = Job(name="a", home=tmp_path / "home", source="nowhere", turns=1)
    monkeypatch.setattr(jobs.subprocess, "run", run)
    with pytest.raises((Transient, ContractBroken), match=f"^{line}$") as failed:
        do(given(tmp_path / "jobs", job), 0)
    assert isinstance(failed.value, Transient) == (code != 0)
    assert told(tmp_path / "jobs").code != 0


def test_a_home_that_cannot_be_one_is_told_like_any_other_end(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Transient, match="Not a directory"):
        do(given(tmp_path / "jobs", Job(name="a", home=tmp_path / "file", source="nowhere", turns=1)), 0)
    assert (told(tmp_path / "jobs").name, told(tmp_path / "jobs").code) == ("a", 1)


def test_a_job_takes_nothing_from_the_home_of_whoever_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"EVERCURRENT_HOME": "/h", "PREFECT_HOME": "/p", "BENTOML_HOME": "/b", "EVERCURRENT_LOG": "redis://r"}
    for name, value in {**here, "PREFECT__FLOW_RUN_ID": "1", "PREFECT_API_URL": "http://other", "KEPT": "1"}.items():
        monkeypatch.setenv(name, value)
    made = jobs._environment("http://ours/api")
    assert not set(made) & {*here, "PREFECT__FLOW_RUN_ID"}
    assert (made["PREFECT_API_URL"], made["KEPT"]) == ("http://ours/api", "1")
    assert "PREFECT_API_URL" not in jobs._environment(None)


def test_a_replay_ends_with_whoever_began_it(tmp_path: Path, tiny: TinySource) -> None:
    job = Job(name="a", home=tmp_path / "home", source=str(tiny.description), data=tiny.log, turns=1)
    started = "import os, subprocess, sys; print(subprocess.Popen([*sys.argv[1:3], 'flows.cli.child', str(os.getpid())"
    words = [sys.executable, "-c", f"{started}, *sys.argv[3:]], stdout=-3, stderr=-3).pid)", sys.executable, "-m"]
    pid = int(subprocess.run([*words, *job.words], capture_output=True, text=True, check=True, timeout=60).stdout)
    give_up = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "Z" not in _state(pid):
        assert time.monotonic() < give_up, "it outlived its parent"
        time.sleep(0.05)
    assert not job.workspace.replay_record.exists()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_job_travels_as_it_is(tmp_path: Path) -> None:
    job = Job(name="a", home=tmp_path, source="s", data=Path("/d"), turns=None)
    assert Job.model_validate(json.loads(job.model_dump_json())) == job
    assert job.words[-3:] == ["--data", "/d", "--json"] and "all" in job.words
