"""The decision log as a stream: durable or refused, first outcome wins, and every fault is one line."""

import threading
import time

import pytest

from bento.log import Earned
from bento.stream_log import StreamLog
from components.domain import ContractBroken, Transient
from components.ingest.log_lines import OutcomeLine, ServableLine, parse_line
from components.ingest.log_stream import START, EntryId, LogStream
from components.ingest.stream_tail import StreamTail
from tests.broker import needs_redis

pytestmark = needs_redis


def note(n, impression="i"):
    return OutcomeLine(impression_id=impression, kind="x", value=n, reward=float(n), at=n)


def lines(broker):
    page = broker.stream.page(broker.client, START, EntryId(1 << 60, 0))
    return [parse_line(entry.raw[:-1]) for entry in page]


def nobody_knows():
    return None


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_nothing_is_in_the_stream_before_the_sync_and_all_of_it_after(broker, stream_log):
    receipts = [stream_log.append(note(n), n) for n in range(3)]
    assert lines(broker) == []
    stream_log.sync()
    assert [receipt.settled() for receipt in receipts] == [None] * 3
    assert [line.value for line in lines(broker)] == [0, 1, 2]


def test_of_two_replicas_the_first_outcome_wins_and_the_other_is_told_it(broker, stream_log):
    other = StreamLog(broker.stream, 7.0)
    mine, theirs = stream_log.tell(note(1), nobody_knows), other.tell(note(2), nobody_knows)
    again = other.tell(note(3), nobody_knows)
    other.sync()
    stream_log.sync()
    assert (theirs.settled(), again.settled(), mine.settled()) == (None, Earned(2.0, None), Earned(2.0, None))
    assert [line.value for line in lines(broker)] == [2]
    assert stream_log.tell(note(4), lambda: Earned(2.0, 0.5)).settled() == Earned(2.0, 0.5)
    other.close()


def test_the_first_outcome_is_remembered_for_the_retention_and_no_longer(broker):
    log = StreamLog(broker.stream, 0.2 / 86_400)
    for n in (1, 2):
        told = log.tell(note(n), nobody_knows)
        log.sync()
        assert told.settled() is None
        until(lambda: not broker.client.execute_command("EXISTS", broker.stream.outcome("i", "x")))
    log.close()


def test_servable_items_are_named_once_and_again_to_a_broker_that_lost_them(broker, stream_log):
    naming = ServableLine(7, ("heat", "alien"))
    for n in range(2):
        stream_log.append(note(n), n, naming)
        stream_log.sync()
    assert [parse_line(raw[:-1]) for raw in broker.stream.named(broker.client).values()] == [naming]
    broker.stop()
    stream_log.append(note(3), 3)
    with pytest.raises(Transient, match="does not answer"):
        stream_log.sync()
    broker.start()
    broker.client.execute_command("FLUSHALL")
    stream_log.probe()
    stream_log.append(note(4), 4, naming)
    stream_log.sync()
    assert list(broker.stream.named(broker.client)) == [7]


def test_a_line_that_a_failed_sync_took_is_not_acknowledged_by_the_next_one(broker, stream_log):
    receipt = stream_log.append(note(1), 1)
    broker.stop()
    with pytest.raises(Transient):
        stream_log.sync()
    broker.start()
    stream_log.probe()
    stream_log.sync()  # what a caller waits for who comes a moment late
    with pytest.raises(Transient, match="does not answer"):
        receipt.settled()
    assert lines(broker) == []


def full(broker):
    broker.client.execute_command("CONFIG", "SET", "maxmemory", 1)


def away(broker):
    broker.stop()


def password(broker):
    client = broker.client
    client.execute_command("CONFIG", "SET", "requirepass", "secret")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal")


def copy(broker):
    broker.client.execute_command("REPLICAOF", "127.0.0.1", 1)


@pytest.mark.parametrize("telling", [False, True])
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (full, "is full; drain it"),
        (away, "does not answer; see whether it runs"),
        (password, "refuses the password; see EVERCURRENT_LOG"),
        (copy, "is a copy that takes no lines; name the primary"),
    ],
)
def test_what_is_wrong_with_a_broker_is_one_line_and_it_stays_a_fault_until_it_is_over(broker, harm, said, telling):
    log = StreamLog(broker.stream, 7.0)
    log.append(note(0), 0)
    log.sync()
    harm(broker)
    receipt = log.tell(note(1), nobody_knows) if telling else log.append(note(1), 1)
    with pytest.raises(Transient) as news:
        log.sync()
    assert said in str(news.value) and "\n" not in str(news.value) and '"type"' not in str(news.value)
    for attempt in (receipt.settled, lambda: log.append(note(2), 2)):
        with pytest.raises(Transient, match=said):
            attempt()
    log.probe()
    assert log.fault is not None and said in log.fault
    if harm is password:
        secret = LogStream.at(broker.url.replace("//", "//:secret@"), "evercurrent")
        assert "secret" not in repr(secret) + secret.where + str(secret.refused(OSError("secret")))
        secret.client().execute_command("CONFIG", "SET", "requirepass", "")
    elif harm is full:
        broker.client.execute_command("CONFIG", "SET", "maxmemory", 0)
    elif harm is copy:
        broker.client.execute_command("REPLICAOF", "NO", "ONE")
    else:
        broker.start()
    log.probe()
    assert log.fault is None
    log.append(note(3), 3)
    log.sync()
    assert [line.value for line in lines(broker)] == [0, 3]
    log.close()


@pytest.mark.parametrize(
    "url", ["", "http://:secret@h", "redis://", "redis://:secret@h:port", "redis://h:99999999", "unix://"]
)
def test_an_address_that_is_none_is_refused_without_being_said(url):
    with pytest.raises(ContractBroken, match=r"allowed is redis://") as news:
        LogStream.at(url, "evercurrent")
    assert "secret" not in str(news.value)


def test_a_name_that_would_not_stand_in_a_file_name_is_refused():
    with pytest.raises(ContractBroken, match="'a-b/c'; allowed"):
        LogStream.at("redis://h", "a-b/c")


def test_a_tail_hands_out_what_is_there_and_what_comes_each_line_once(broker, stream_log):
    for n in range(5):
        stream_log.append(note(n), n)
    stream_log.sync()
    tail = StreamTail(broker.stream, 0, parse_line)
    tail.reach()
    assert [line.value for line in tail.lines()] == [0, 1, 2, 3, 4]
    broker.client.execute_command("XADD", "evercurrent", "*", "line", "no line\n")
    broker.client.execute_command("XADD", "evercurrent", "*", "other", "x")
    stream_log.append(note(5), 5)
    stream_log.sync()
    tail.reach()
    assert [line.value for line in tail.lines()] == [5]
    assert tail.passed_over == 2
    tail.close()


def test_a_tail_that_nobody_empties_still_reaches_the_end_of_a_long_stream(broker, stream_log, monkeypatch):
    monkeypatch.setattr("components.ingest.stream_tail.MOST_WAITING", 100)
    monkeypatch.setattr("components.ingest.stream_tail.PAGE", 10)
    monkeypatch.setattr("components.ingest.log_stream.PAGE", 10)
    for n in range(1_000):
        stream_log.append(note(n), n)
    stream_log.sync()
    tail, seen = StreamTail(broker.stream, 0, parse_line), []
    tail.reach(lambda: seen.extend(line.value for line in tail.lines()))
    seen += [line.value for line in tail.lines()]
    assert seen == list(range(1_000))
    tail.close()


def test_a_tail_goes_on_where_it_was_after_the_broker_was_killed(broker, stream_log):
    tail = StreamTail(broker.stream, 0, parse_line)
    stream_log.append(note(1), 1)
    stream_log.sync()
    tail.reach()
    broker.stop(9)
    until(lambda: tail.fault is not None)
    with pytest.raises(Transient, match="does not answer"):
        tail.reach()
    broker.start()
    stream_log.probe()
    stream_log.append(note(2), 2)
    stream_log.sync()
    until(lambda: tail.fault is None)
    tail.reach()
    assert [line.value for line in tail.lines()] == [1, 2]
    tail.close()


def test_to_reach_the_end_is_no_longer_wait_where_the_last_entry_was_deleted(broker, stream_log):
    stream_log.append(note(1), 1)
    stream_log.sync()
    tail = StreamTail(broker.stream, 0, parse_line)
    tail.reach()
    last = broker.stream.last(broker.client)
    broker.client.execute_command("XDEL", "evercurrent", last.text)
    begin = time.monotonic()
    tail.reach()
    assert time.monotonic() - begin < 5
    tail.close()


def test_a_closed_tail_ends_its_thread(broker):
    tail = StreamTail(broker.stream, 0, parse_line)
    tail.close()
    until(lambda: not any(t is tail._thread for t in threading.enumerate()))
    tail.reach()


def test_whoever_begins_an_hour_later_by_its_own_clock_misses_nothing(broker, stream_log):
    stream_log.append(note(1), 1)
    stream_log.sync()
    tail = StreamTail(broker.stream, time.time_ns() // 1000 + 3_000_000_000, parse_line)
    tail.reach()
    assert [line.value for line in tail.lines()] == [1]
    tail.close()
