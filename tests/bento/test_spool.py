"""While the broker is away decisions wait in files, and come into the stream once: in order, whoever is killed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as Away

from bento import spool as spooling
from bento.decision_log import DecisionLog
from bento.spool import Spool
from bento.spooling_log import MOVING, SpoolingLog
from bento.stream_log import StreamLog
from components.domain import ContractBroken, Transient
from components.ingest.log_lines import (
    ForgetLine,
    ItemLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    parse_line,
    user_digest,
    written,
)
from components.ingest.log_stream import START, EntryId
from flows.stages.forget_in_stream import write_forget
from tests.broker import needs_redis
from tests.conftest import ROOT

pytestmark = needs_redis
AT, SEGMENT = 1_700_000_000_000_000, 1 << 26
NAMING = ServableLine(7, ("heat", "alien"))


def request(number, user="ann"):
    return RequestLine(f"r{number}", user, AT + number, 1, {}, None, ())


def note(number, impression="i-0"):
    return OutcomeLine(impression, "rating", number, 1.0, number)


def nobody_knows():
    return None


def lines(broker):
    page = broker.stream.page(broker.client, START, EntryId(1 << 60, 0), 100_000)
    return [parse_line(entry.raw[:-1]) for entry in page]


def asked(broker):
    return [line.request_id for line in lines(broker) if isinstance(line, RequestLine)]


def opened(broker, folder, process=1, segment=SEGMENT):
    return SpoolingLog(StreamLog(broker.stream, 7.0), Spool(folder, process, segment))


def files(folder):
    return sorted(folder.rglob("*.jsonl"))


def die(log):
    """Nothing is moved, said or taken away: the kernel lets go of the lock alone."""
    os.close(log._spool._alive)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def log(broker, folder):
    log = opened(broker, folder)
    yield log
    log.close()


def settled(log, *numbers, user="ann", naming=None):
    receipts = [log.append(request(number, user), AT + number, naming) for number in numbers]
    log.sync()
    assert [receipt.settled() for receipt in receipts] == [None] * len(numbers)


def left_behind(broker, folder, numbers, process=1, segment=SEGMENT, user="ann"):
    """What a process decided while the broker was away, and died with; the broker is away afterwards."""
    log = opened(broker, folder, process, segment)
    broker.stop(signal.SIGKILL)
    log.probe()
    settled(log, *numbers, user=user, naming=NAMING)
    die(log)


def test_while_the_broker_is_there_nothing_is_written_here(log, broker, folder):
    settled(log, 1)
    assert asked(broker) == ["r1"] and files(folder) == []
    assert log.fault is None and log.degraded is None


def test_decisions_are_taken_and_what_others_must_agree_on_is_refused_and_all_of_it_is_there_in_order(
    log, broker, folder
):
    settled(log, 1)
    broker.stop(signal.SIGKILL)
    lost = log.append(request(2), 2)
    with pytest.raises(Transient, match="does not answer"):
        log.sync()
    with pytest.raises(Transient, match="does not answer"):
        lost.settled()
    settled(log, 3, 4, naming=NAMING)
    assert log.fault is None and "does not answer" in log.degraded
    for line in (ItemLine("heat", 5, {}), ForgetLine(user_digest("ann"), 5, "ann")):
        with pytest.raises(Transient, match="does not answer"):
            log.append(line, 5)
    with pytest.raises(Transient, match="does not answer"):
        log.tell(note(5), nobody_knows)
    log.probe()
    settled(log, 5)
    broker.start()
    settled(log, 6)  # not moved yet: in order behind the others
    log.probe()
    assert log.degraded is None and files(folder) == []
    settled(log, 7)
    assert asked(broker) == ["r1", *(f"r{n}" for n in range(3, 8))]
    assert list(broker.stream.named(broker.client)) == [7]
    assert broker.client.execute_command("HLEN", broker.stream.moved) == 0
    told = log.tell(note(8), nobody_knows)
    log.sync()
    assert told.settled() is None


def test_what_comes_while_the_rest_is_moved_is_moved_too_and_outcomes_wait_for_it(log, broker, monkeypatch):
    broker.stop(signal.SIGKILL)
    log.probe()
    settled(log, 0)
    broker.start()
    one, written_to = count(1), spooling._write

    def write(*words):
        number = next(one)
        if number < 4:
            settled(log, number)
            with pytest.raises(Transient, match=MOVING):
                log.tell(note(9), nobody_knows)
        return written_to(*words)

    monkeypatch.setattr(spooling, "_write", write)
    log.probe()
    assert asked(broker) == ["r0", "r1", "r2", "r3"] and log.degraded is None


def test_decisions_that_never_stop_coming_are_moved_meanwhile_each_once(log, broker):
    over, told = threading.Event(), count()

    def decide():
        while not over.is_set():
            receipt = log.append(request(number := next(told)), AT + number)
            try:
                log.sync()
                receipt.settled()
                kept.append(f"r{number}")
            except Transient:
                pass

    kept = []
    thread = threading.Thread(target=decide)
    thread.start()
    try:
        for _ in range(3):
            time.sleep(0.1)
            broker.stop(signal.SIGKILL)
            time.sleep(0.2)
            broker.start()
            end = time.monotonic() + 20
            log.probe()
            while log.degraded is not None:
                assert time.monotonic() < end
                log.probe()
    finally:
        over.set()
        thread.join()
    there = asked(broker)
    assert len(kept) > 100 and set(kept) <= set(there) and len(set(there)) == len(there)
    assert [int(name[1:]) for name in there] == sorted(int(name[1:]) for name in there)


def test_who_starts_moves_what_a_dead_process_left_before_anything_else(broker, folder):
    left_behind(broker, folder, range(5))
    broker.start()
    log = opened(broker, folder, 2)
    settled(log, 5)
    assert asked(broker) == [f"r{n}" for n in range(6)]
    log.close()
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_who_starts_while_the_broker_is_away_keeps_what_was_left_until_it_is_back(broker, folder):
    left_behind(broker, folder, range(2))
    log = opened(broker, folder, 2)
    settled(log, 2)
    log.close()
    broker.start()
    log = opened(broker, folder, 3)
    assert sorted(asked(broker)) == ["r0", "r1", "r2"] and log.degraded is None
    log.close()


def test_what_a_living_process_has_is_left_to_it(broker, folder):
    first, second = opened(broker, folder, 1), opened(broker, folder, 2)
    broker.stop(signal.SIGKILL)
    for log, number in ((first, 1), (second, 2)):
        log.probe()
        settled(log, number)
    broker.start()
    second.probe()
    assert asked(broker) == ["r2"]
    first.probe()
    assert asked(broker) == ["r2", "r1"]
    first.close()
    second.close()


@pytest.mark.parametrize("done", [True, False])
def test_a_move_whose_answer_was_lost_is_done_once_whether_it_was_done_or_not(broker, folder, done):
    left_behind(broker, folder, range(10))
    broker.start()
    spool, client = Spool(folder, 2, SEGMENT), broker.client

    class Lossy:
        def execute_command(self, *words):
            answer = client.execute_command(*words) if done or words[0] != "EVAL" else None
            if words[0] == "EVAL":
                raise Away("Connection closed by server.")
            return answer

    with pytest.raises(Away):
        spool.adopt(Lossy(), broker.stream)
    assert len(files(folder)) == 1 and len(asked(broker)) == (10 if done else 0)
    spool.adopt(client, broker.stream)
    assert asked(broker) == [f"r{n}" for n in range(10)] and files(folder) == []
    spool.leave()


def test_of_two_who_move_one_file_the_slower_writes_nothing_and_goes_on_behind_the_other(broker, folder):
    left_behind(broker, folder, range(4))
    broker.start()
    (path,) = files(folder)
    whole = path.read_bytes().splitlines(keepends=True)
    end = spooling._write(broker.client, broker.stream, path, 0, whole[:3])
    assert spooling._write(broker.client, broker.stream, path, 0, whole) == end
    assert spooling._write(broker.client, broker.stream, path, end, whole[3:]) == path.stat().st_size
    assert asked(broker) == [f"r{n}" for n in range(4)]


def test_a_move_that_is_killed_again_and_again_with_the_broker_brings_each_line_once_in_order(broker, folder):
    everything = range(3_000)
    left_behind(broker, folder, everything, segment=100_000)
    assert len(files(folder)) > 3
    broker.start()
    code = (
        "import sys; from pathlib import Path; from bento import spool\n"
        "from components.ingest.log_stream import LogStream\n"
        "spool.AT_ONCE = 1_000; stream = LogStream.at(sys.argv[2], 'evercurrent')\n"
        "print('ready', flush=True); spool.Spool(Path(sys.argv[1]), 2, 1 << 26).adopt(stream.client(), stream)"
    )
    dice, environment, seen = random.Random(3), os.environ | {"PYTHONPATH": str(ROOT)}, [0]
    for number in range(5):
        command = [sys.executable, "-c", code, str(folder), broker.url]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(dice.uniform(0.02, 0.1))
        if number == 2:
            broker.restart()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        seen.append(len(asked(broker)))
    assert len(set(seen)) > 2, f"no kill came in the middle: {seen}"
    log = opened(broker, folder, 3)
    settled(log, len(everything))
    assert asked(broker) == [f"r{n}" for n in [*everything, len(everything)]]
    log.close()
    assert files(folder) == [] and broker.client.execute_command("HLEN", broker.stream.moved) == 0


@pytest.mark.parametrize("step", ["before the files go", "between files and broker"])
def test_a_cut_while_the_files_go_moves_nothing_again(broker, folder, monkeypatch, step):
    left_behind(broker, folder, range(4))
    broker.start()
    spool = Spool(folder, 2, SEGMENT)
    with monkeypatch.context() as patch:
        if step == "before the files go":
            patch.setattr(spooling, "remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            patch.setattr(spooling, "sync_folder", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            spool.adopt(broker.client, broker.stream)
    spool.adopt(broker.client, broker.stream)
    assert asked(broker) == [f"r{n}" for n in range(4)] and files(folder) == []
    spool.leave()


def told_to_a_replica(broker, line):
    other = StreamLog(broker.stream, 7.0)
    other.append(line, line.at)
    other.sync()
    other.close()


@pytest.mark.parametrize("forget", [told_to_a_replica, lambda broker, line: write_forget(broker.stream, line)])
def test_who_was_forgotten_meanwhile_stays_forgotten_and_who_came_back_is_there(broker, folder, forget):
    log = opened(broker, folder)
    broker.stop(signal.SIGKILL)
    log.probe()
    settled(log, 1, 2, 3, 4)
    settled(log, 2, 5, user="bob")
    broker.start()
    forget(broker, ForgetLine(user_digest("ann"), AT + 3, "ann"))
    log.probe()
    shown = [line for line in lines(broker) if isinstance(line, RequestLine)]
    assert [(line.user_id, line.at) for line in shown] == [("ann", AT + 4), ("bob", AT + 2), ("bob", AT + 5)]
    assert files(folder) == []
    log.close()


def test_a_last_line_that_was_cut_in_two_was_never_acknowledged_and_a_broken_one_is_left_to_ingest(broker, folder):
    left_behind(broker, folder, range(2))
    broken = written(request(2)).replace(b"r2", b"x2")
    with files(folder)[0].open("ab") as file:
        file.write(broken + written(request(3))[:-20])
    broker.start()
    log = opened(broker, folder, 2)
    page = broker.stream.page(broker.client, START, EntryId(1 << 60, 0))
    assert [entry.raw for entry in page] == [written(request(0)), written(request(1)), broken]
    assert files(folder) == []
    log.close()


def test_a_disk_that_takes_nothing_is_a_fault_until_it_takes_lines_again(log, broker, folder, monkeypatch):
    broker.stop(signal.SIGKILL)
    log.probe()
    assert log.fault is None
    with monkeypatch.context() as patch:
        patch.setattr(
            DecisionLog, "_write", staticmethod(lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        )
        with pytest.raises(Transient, match="No space left"):
            log.append(request(1), 1)
    assert "No space left" in log.fault
    log.probe()
    assert log.fault is None and log.degraded is not None
    settled(log, 2)
    broker.start()


def test_a_spool_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ContractBroken, match=r"the spool .*file takes nothing: .*\(EVERCURRENT_SPOOL\)$"):
        Spool(tmp_path / "file", 1, SEGMENT)
    assert not Path(tmp_path / "file").is_dir()
