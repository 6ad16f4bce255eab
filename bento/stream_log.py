"""The decision log as a Redis stream, written by one replica of many.

Lines wait in memory until `sync`, which sends all of them as one transaction: all of them are in the log, or none.
Which of two replicas was told an outcome first is decided by the server, in that transaction, by a key that the first
one sets; the other gets what it set. A transaction whose answer does not come may have been done or not; it is not sent
again, because its lines would stand there twice: who waits is told 503, and what nobody was answered may stand in the
log, as with a file.

What an answer is worth is decided by the server's own `appendonly` and `appendfsync` (docs/serving.md).
"""

import threading
from dataclasses import dataclass, field

import msgspec

from bento.log import Earned, Known
from components.domain import DAY, Transient
from components.ingest.log_lines import ForgetLine, LogLine, OutcomeLine, ServableLine, written
from components.ingest.log_stream import FAULTS, LINE, LogStream, Word

FIRST = """
if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('xadd', KEYS[2], '*', 'line', ARGV[3])
  return false
end
return redis.call('get', KEYS[1])
"""
"""Sets the first outcome and writes its line, or gives back what was set."""
TRIAL_MS = 1_000


@dataclass(slots=True)
class Sent:
    """One command and what became of it; its own receipt."""

    words: tuple[Word, ...]
    fault: Transient | None = None
    earlier: Earned | None = None

    def settled(self) -> Earned | None:
        """As `bento.log.Receipt`."""
        if self.fault is not None:
            raise self.fault
        return self.earlier


@dataclass(frozen=True, slots=True)
class Before:
    """Receipt of an outcome that this replica knew already."""

    earlier: Earned

    def settled(self) -> Earned | None:
        """As `bento.log.Receipt`."""
        return self.earlier


@dataclass(slots=True)
class _Waiting:
    """What the next transaction sends, and the generations whose servable items were sent before."""

    lines: list[Sent] = field(default_factory=list)
    named: set[int] = field(default_factory=set)


class StreamLog:
    """Writes the lines of one process; as `bento.log.Log`."""

    degraded: str | None = None

    def __init__(self, stream: LogStream, retention_days: float) -> None:
        """An outcome is taken for `retention_days`, and so long its first telling is remembered."""
        self.stream, self.client = stream, stream.client()
        self._retention_ms = round(retention_days * DAY) // 1000
        self._guard = threading.Lock()
        self._waiting = _Waiting()
        self.fault: str | None = None

    def append(self, line: LogLine, at: int, naming: ServableLine | None = None) -> Sent:
        """As `bento.log.Log`; while the broker is away, nothing is tried until `probe` has found it."""
        told = [Sent(self.stream.forgetting(line))] if isinstance(line, ForgetLine) else []
        return self._take([*told, Sent(("XADD", self.stream.name, "*", LINE, written(line)))], naming)

    def tell(self, line: OutcomeLine, known: Known) -> Sent | Before:
        """As `bento.log.Log`."""
        earlier = known()
        if earlier is not None:
            return Before(earlier)
        keys = self.stream.outcome(line.impression_id, line.kind), self.stream.name
        told = msgspec.json.encode((line.reward, line.grade))
        return self._take([Sent(("EVAL", FIRST, len(keys), *keys, told, self._retention_ms, written(line)))], None)

    def sync(self) -> None:
        """As `bento.log.Log`: one transaction of all that waits."""
        with self._guard:
            batch, self._waiting.lines = self._waiting.lines, []
        if not batch:
            return
        try:
            answers = self._sent(batch)
        except FAULTS as error:
            raise self._lost(batch, error) from None
        for one, answer in zip(batch, answers, strict=True):
            if one.words[0] == "EVAL" and answer is not None:
                one.earlier = Earned(*msgspec.json.decode(answer, type=tuple[float, float | None]))
        self.fault = None

    def probe(self) -> None:
        """As `bento.log.Log`: asks whether the broker is there, and after a fault whether it takes anything."""
        try:
            if self.fault is None:
                self.client.execute_command("PING")
            else:
                self.client.execute_command("SET", self.stream.trial, 1, "PX", TRIAL_MS)
        except FAULTS as error:
            self.fault = str(self.stream.refused(error))
        else:
            self.fault = None

    def close(self) -> None:
        """As `bento.log.Log`."""
        try:
            self.sync()
        finally:
            self.client.close()

    def lost(self, error: Exception) -> Transient:
        """What the broker did not do for somebody else is a fault of this log, too, until `probe` finds otherwise."""
        news = self.stream.refused(error)
        with self._guard:
            self._waiting.named.clear()  # a broker that is another one now is told all names again
        self.fault = str(news)
        return news

    def _take(self, told: list[Sent], naming: ServableLine | None) -> Sent:
        if self.fault is not None:
            raise Transient(self.fault)
        with self._guard:
            if naming is not None and naming.generation not in self._waiting.named:
                named = ("HSETNX", self.stream.servable, naming.generation, written(naming))
                self._waiting.lines.append(Sent(named))
                self._waiting.named.add(naming.generation)
            self._waiting.lines += told
        return told[-1]

    def _sent(self, batch: list[Sent]) -> list[bytes | None]:
        with self.client.pipeline(transaction=True) as transaction:
            for one in batch:
                transaction.execute_command(*one.words)
            answers: list[bytes | None] = transaction.execute()
        return answers

    def _lost(self, batch: list[Sent], error: Exception) -> Transient:
        """Nothing of a batch may be acknowledged."""
        news = self.lost(error)
        for one in batch:
            one.fault = news
        return news
