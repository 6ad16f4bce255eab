"""Parts of a stack without one: whose process it is, who holds what, what a doctor sees, what a hung stage does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from components.domain import TookTooLong, Transient
from flows.lock_holder import lock_holder
from flows.stack.check_home import check_home
from flows.stack.check_machine import check_versions
from flows.stack.doctor import diagnose
from flows.stack.environment import ROOT
from flows.stack.finding import Finding, Level
from flows.stack.join import API, join
from flows.stack.logs import keep_small
from flows.stack.processes import end, last_line, start
from flows.stack.record import MARK, Part, Role, Stack, read_stack, write_stack
from flows.tasks import patient
from flows.time_limit import time_limit
from flows.workspace import Workspace
from tests.bento.conftest import release

SLEEPS = [sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(600)"]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody here started as a part."""
    made = subprocess.Popen(SLEEPS, stdout=subprocess.PIPE)
    assert made.stdout and made.stdout.readline() == b"asleep\n"
    yield made
    made.kill()
    made.wait()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a home."""
    said = f"import filelock, time; held = filelock.FileLock({str(tmp_path / '.lock')!r}).acquire()"
    made = subprocess.Popen(
        [sys.executable, "-c", f"{said}; print(flush=True); time.sleep(600)"], stdout=subprocess.PIPE
    )
    assert made.stdout and made.stdout.readline()
    yield made
    made.kill()
    made.wait()


def levels(found: Iterator[Finding] | tuple[Finding, ...]) -> dict[str, Level]:
    return {one.check: one.level for one in found}


def test_a_number_that_another_process_has_now_is_never_ended(stranger: subprocess.Popen[bytes]) -> None:
    part = Part(role=Role.WORKER, pid=stranger.pid, mark="a part's", began=time.time() - 1e6, log="worker.log")
    assert part.process() is None
    assert end(part, 0.0) is False
    assert stranger.poll() is None


def test_a_part_is_known_by_its_mark_when_the_clock_was_set_and_ends_with_its_children(tmp_path: Path) -> None:
    script = f"import subprocess, time; subprocess.Popen({SLEEPS!r}); time.sleep(600)"
    began = start(Role.WORKER, [sys.executable, "-c", script], dict(os.environ), tmp_path / "worker.log")
    part = began.model_copy(update={"began": began.began - 3600})
    process = began.process()
    assert process is not None
    give_up = time.monotonic() + 30
    while part.process() is None or not process.children() or last_line(tmp_path / "worker.log") != "asleep":
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert process.environ()[MARK] == began.mark
    (child,) = process.children()
    assert end(part, 10.0), "the child did not end by itself"
    assert part.process() is None and not psutil.pid_exists(child.pid)


def test_a_part_that_is_deaf_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    part = start(Role.SERVICE, [sys.executable, "-c", deaf], dict(os.environ), tmp_path / "service.log")
    give_up = time.monotonic() + 30
    while last_line(tmp_path / "service.log") != "deaf":
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert end(part, 0.2) is True
    assert part.process() is None


def test_what_was_started_is_kept_and_nothing_is_kept_of_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    part = Part(role=Role.SERVER, pid=1, mark="m", began=0.0, url="http://127.0.0.1:4200", log="server.log")
    write_stack(workspace, Stack().with_part(part))
    assert read_stack(workspace).api == "http://127.0.0.1:4200/api"
    write_stack(workspace, read_stack(workspace).without(Role.SERVER))
    assert list(tmp_path.iterdir()) == []


def test_beside_a_server_that_is_gone_a_command_says_so_and_works_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(API, raising=False)
    workspace = Workspace(tmp_path)
    assert join(workspace) is None, "no stack, no word"
    part = Part(role=Role.SERVER, pid=2**22, mark="m", began=0.0, url="http://127.0.0.1:1", log="server.log")
    write_stack(workspace, Stack().with_part(part))
    assert "http://127.0.0.1:1/api does not answer" in str(join(workspace))
    assert API not in os.environ
    monkeypatch.setenv(API, "http://prefect.example/api")
    assert join(workspace) is None, "somebody's own server goes first"


def test_a_log_that_grew_is_put_aside_once_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab") as writer:
        writer.write(b"a" * 2000)
        writer.flush()
        keep_small(tmp_path, most=1000)
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n", "appended, and no hole before it"
    assert (tmp_path / "worker.log.1").read_bytes() == b"a" * 2000
    keep_small(tmp_path, most=1000)
    assert (tmp_path / "worker.log.1").stat().st_size == 2000


def test_who_is_refused_a_home_is_told_which_process_has_it(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    found = lock_holder(tmp_path / ".lock")
    assert found is not None and found.pid == holder.pid
    with (
        pytest.raises(Transient, match=rf"is using {tmp_path}: process {holder.pid} \(.*import filelock"),
        Workspace(tmp_path).held(0.1),
    ):
        pass
    assert levels(check_home(Workspace(tmp_path)))["home lock"] is Level.NOTE


def test_a_lock_that_is_given_back_is_free(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"):
        found = lock_holder(tmp_path / ".lock")
        assert found is not None and found.pid == os.getpid()
    assert lock_holder(tmp_path / ".lock") is None
    assert lock_holder(tmp_path / "nowhere") is None
    assert lock_holder(tmp_path / ".lock", locks=tmp_path / "not Linux") is None


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("fastapi", "0.165.0", Level.MEND),
        ("fastapi", "0.150.0", None),
        ("sqlalchemy", "2.1.9", Level.MEND),
        ("pandas", "3.1.1", Level.MEND),
        ("pandas", "3.0.6", None),
    ],
)
def test_versions_that_break_each_other_are_found(tmp_path: Path, name: str, version: str, level: Level | None) -> None:
    found = tuple(check_versions({name: version}, tmp_path / "no lock"))
    assert [one.level for one in found] == ([] if level is None else [level])
    assert all(version in one.said and one.mend for one in found)


def test_the_versions_here_are_none_of_those_and_others_than_the_locked_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("Great_Expectations==1.24.1\nnumpy==2.4.6\n")
    installed = {"great-expectations": "1.24.1", "numpy": "2.4.5"}
    (found,) = check_versions(installed, tmp_path / "lock")
    assert found.level is Level.NOTE and "numpy 2.4.5" in found.said and "great" not in found.said


def test_a_doctor_sees_a_damaged_bundle_a_broken_pointer_and_settings_and_a_stack_that_died(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    release(tmp_path, 1)
    assert levels(check_home(workspace))["champion"] is Level.FINE
    part = next(path for path in (tmp_path / "bundles" / "g000001").rglob("*") if path.suffix == ".safetensors")
    part.write_bytes(part.read_bytes() + b"x")
    workspace.settings.write_text("[nonsense]\n")
    died = Part(role=Role.SERVICE, pid=2**22, mark="m", began=0.0, url="http://127.0.0.1:1", log="service.log")
    write_stack(workspace, Stack().with_part(died))
    found = diagnose(workspace)
    assert {check for check, level in levels(found).items() if level is Level.MEND} == {
        "champion",
        "settings",
        "service",
    }
    assert all(one.mend for one in found if one.level is Level.MEND)
    (tmp_path / "pointers" / "champion.json").write_text("{}")
    said = {one.check: one for one in check_home(workspace)}["champion"]
    assert "is no pointer" in said.said and "evercurrent rollback" in said.mend
    (tmp_path / "stack.json").write_text("[]")
    assert levels(diagnose(workspace))["stack"] is Level.MEND


def test_a_stage_that_hangs_is_interrupted_and_not_tried_again(
    tmp_path: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow

    (tmp_path / "evercurrent.toml").write_text("[timeouts]\ningest = 0.3\n")
    tries = []

    def hangs(workspace: Workspace) -> None:
        tries.append(workspace)
        time.sleep(60)

    begin = time.monotonic()
    with pytest.raises(TookTooLong, match=r"stage ingest did not end within 0.3 s .*\[timeouts\] in evercurrent.toml"):
        flow(validate_parameters=False)(lambda: patient("ingest", hangs)(Workspace(tmp_path)))()
    assert len(tries) == 1 and time.monotonic() - begin < 30


def test_a_stages_own_time_out_is_another() -> None:
    with pytest.raises(TimeoutError, match="the disk's"), time_limit("read", 60.0):
        raise TimeoutError("the disk's")


def test_a_stage_that_hears_nothing_is_ended_with_its_process() -> None:
    deaf = """
import signal, time
from flows.time_limit import time_limit
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
with time_limit("update", 0.2, grace=0.3):
    time.sleep(600)
"""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", deaf], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 75 and "busy: stage update did not end within 0.2 s" in done.stderr
    assert time.monotonic() - begin < 110
    assert signal.getsignal(signal.SIGALRM) is not None
