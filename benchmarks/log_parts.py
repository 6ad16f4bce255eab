"""Parts of a decision log, each alone: what writing costs, and of a stream what following, starting and draining do.

Lines are decisions of ten positions among a hundred, and outcomes of their first position.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.replicas_fleet import Broker
from benchmarks.scale_process import measured
from benchmarks.serving_parts import decision_line
from bento.log import Log
from bento.spool import Spool
from bento.stream_log import StreamLog
from components.ingest.log_lines import OutcomeLine, RequestLine, impression_id_of, parse_brief
from components.ingest.log_stream import LogStream
from components.ingest.stream_tail import StreamTail

TOGETHER = 32
"""Lines of one sync, as many requests at once come to."""
ITEMS = [f"item{n}" for n in range(100)]
SEGMENT = 1 << 26


@dataclass(frozen=True, slots=True)
class Writing:
    """Milliseconds until a line that comes alone is durable; lines a second, `TOGETHER` in a sync."""

    lone_ms_p50: float
    lone_ms_p99: float
    decisions_per_second: float
    outcomes_per_second: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the stream: milliseconds from a durable line to another's tail; lines a second, and of processor each ms.

    A start follows it from its beginning, a drain writes it into files (in a process of its own, of `drain_gib` at
    most), a move brings spooled decisions into it. The key that makes an outcome the first is in its bytes.
    """

    tail_ms_p50: float
    tail_ms_p99: float
    start_per_second: float
    start_ms: float
    drain_per_second: float
    drain_ms: float
    drain_gib: float
    move_per_second: float
    bytes_per_decision: float
    bytes_per_outcome: float


def _decision(number: int) -> RequestLine:
    return decision_line(number, f"user{number % 20_000}", ITEMS, range(number % 90, number % 90 + 10))


def _outcome(number: int) -> OutcomeLine:
    decision = _decision(number)
    return OutcomeLine(impression_id_of(decision.request_id, 0), "rating", 1, 1.0, decision.at)


def writing(log: Log, lines: int) -> Writing:
    """What it costs to write so many decisions, and as many outcomes, into a log; it is closed then."""
    alone = []
    for number in range(lines // 10):
        line, begin = _decision(number), time.perf_counter()
        log.append(line, line.at)
        log.sync()
        alone.append(time.perf_counter() - begin)
    decisions = [_decision(number) for number in range(lines)]
    outcomes = [_outcome(number) for number in range(lines)]
    begin = time.perf_counter()
    for number, line in enumerate(decisions, 1):
        log.append(line, line.at)
        if number % TOGETHER == 0:
            log.sync()
    log.sync()
    between = time.perf_counter()
    for number, told in enumerate(outcomes, 1):
        log.tell(told, lambda: None)
        if number % TOGETHER == 0:
            log.sync()
    log.close()
    end = time.perf_counter()
    return Writing(*_percentiles(alone), lines / (between - begin), lines / (end - between))


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return float(p50), float(p99)


def reading(broker: Broker, folder: Path, lines: int) -> Reading:
    """What becomes of so many decisions and outcomes in a broker, which is emptied before."""
    stream = broker.stream
    tail = _percentiles(_tail(stream, lines // 10))
    stream.client().execute_command("FLUSHALL")
    decision, outcome = _taken(stream, lines)
    start, start_ms = _start(stream)
    home = folder / "drained"
    home.mkdir()
    (home / "evercurrent.toml").write_text(f'[log]\nurl = "{stream.url}"\n')
    drained = measured("benchmarks.log_cost", "--drain", home)
    told = json.loads(drained.said)
    each = 1000 * told["processor"] / told["entries"]
    move = _move(stream, folder / "spool", lines)
    return Reading(
        *tail, start, start_ms, told["entries"] / told["seconds"], each, drained.peak_gib, move, decision, outcome
    )


def _tail(stream: LogStream, lines: int) -> list[float]:
    """Seconds from the end of a line's sync to the tail."""
    log, found = StreamLog(stream, 7.0), []
    tail = StreamTail(stream, 0, parse_brief)
    tail.reach()
    list(tail.lines())
    for number in range(lines):
        line = _decision(number)
        log.append(line, line.at)
        log.sync()
        begin = time.perf_counter()
        while not list(tail.lines()):
            time.sleep(2e-5)
        found.append(time.perf_counter() - begin)
    tail.close()
    log.close()
    return found


def _taken(stream: LogStream, lines: int) -> tuple[float, float]:
    """Bytes of the broker that a decision takes, and an outcome; both are in the stream afterwards."""
    log, used = StreamLog(stream, 7.0), [_used(stream)]
    for make in (_decision, _outcome):
        for number in range(lines):
            line = make(number)
            log.append(line, line.at) if isinstance(line, RequestLine) else log.tell(line, lambda: None)
            if number % TOGETHER == 0:
                log.sync()
        log.sync()
        used.append(_used(stream))
    log.close()
    return (used[1] - used[0]) / lines, (used[2] - used[1]) / lines


def _used(stream: LogStream) -> int:
    return int(cast(dict[str, int], stream.client().execute_command("INFO", "memory"))["used_memory"])


def _start(stream: LogStream) -> tuple[float, float]:
    """Lines a second, and milliseconds of processor each."""
    begin, processor, read = time.perf_counter(), time.process_time(), 0
    tail = StreamTail(stream, 0, parse_brief)

    def take() -> None:
        nonlocal read
        read += len(list(tail.lines()))

    tail.reach(take)
    take()
    tail.close()
    return read / (time.perf_counter() - begin), 1000 * (time.process_time() - processor) / read


def _move(stream: LogStream, folder: Path, lines: int) -> float:
    """Spooled lines a second on their way into the stream."""
    spool = Spool(folder, 1, SEGMENT)
    for number in range(lines):
        line = _decision(number)
        spool.append(line, line.at)
    spool.leave()
    adopting, begin = Spool(folder, 2, SEGMENT), time.perf_counter()
    adopting.adopt(stream.client(), stream)
    seconds = time.perf_counter() - begin
    adopting.leave()
    return lines / seconds
