"""Following a decision log that is a stream: a thread reads it, and whoever learns from it takes what has come.

The thread waits in the server for the next entry, so a line is here a millisecond after it was written, and nobody who
answers requests waits for the network. It goes on where it was after the broker was away. What is asked for begins a
margin early, by the server's clock: the clocks of those who write may differ from it, and who learns knows a
repetition.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from components.domain import Transient
from components.ingest.log_lines import LineBroken
from components.ingest.log_stream import FAULTS, PAGE, Entry, EntryId, LogStream

logger = logging.getLogger("bentoml.evercurrent")

MARGIN_MS = 3_600_000
"""By how much clocks may differ, and a line be late, without being missed by who starts."""
BLOCK_MS = 500
"""How long the server is asked to wait for the next entry; a tail that is closed ends so much later at most."""
AGAIN_SECONDS = 0.1
"""Pause before a broker that did not answer is asked again."""
MOST_WAITING = 100_000
"""Lines that may wait to be taken: the thread does not read on beyond them."""
PATIENCE_SECONDS = 10.0
"""How long to wait for the thread while it makes no progress at all."""

Line = TypeVar("Line")


class StreamTail(Generic[Line]):
    """Follows a stream from an instant on; a line is handed out once, in the order of the stream."""

    def __init__(self, stream: LogStream, since: int, parse: Callable[[bytes], Line]) -> None:
        """From `since` on, microseconds."""
        self._stream, self._parse = stream, parse
        self._at = EntryId(max(since // 1000 - MARGIN_MS, 0), 0)
        self._waiting: deque[bytes] = deque()
        self._moved = threading.Condition()
        self._asked = self._exhausted = 0  # readings that were begun; the last one that found the end of the stream
        self._closed = False
        self._client = stream.client()
        self.passed_over = 0
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._follow, name="log-tail", daemon=True)
        self._thread.start()

    def lines(self) -> Iterator[Line]:
        """Lines that have come since the last call; what is no line of the log is passed over."""
        while self._waiting:
            raw = self._waiting.popleft()
            try:
                yield self._parse(raw.rstrip(b"\n"))
            except LineBroken as error:
                self.passed_over += 1
                logger.warning("stage=serve event=line_passed_over reason=%s", error)

    def reach(self, reading: Callable[[], object] | None = None) -> None:
        """Return once everything that is in the stream at the call can be had from `lines`.

        Parameters
        ----------
        reading : called meanwhile, again and again: takes the lines, where nobody else does.

        Raises
        ------
        Transient
            If the broker does not answer.
        """
        try:
            last = self._stream.last(self._client)
        except FAULTS as error:
            raise self._stream.refused(error) from None
        with self._moved:
            begun = self._asked
        progress, quiet = self._at, time.monotonic()
        while not (self._at >= last or self._exhausted > begun or self._closed):
            if reading is not None:
                reading()
            with self._moved:
                self._moved.wait(0.05)
            if self._at != progress:
                progress, quiet = self._at, time.monotonic()
            elif time.monotonic() - quiet > PATIENCE_SECONDS:
                raise Transient(self.fault or f"the decision log's broker {self._stream.where} hands nothing out")

    def close(self) -> None:
        """Let the thread end."""
        with self._moved:
            self._closed = True
            self._moved.notify_all()

    def _follow(self) -> None:
        client = self._stream.client(BLOCK_MS / 1000 + 3.0)
        while not self._closed:
            try:
                self._asked += 1
                self._take(self._stream.following(client, self._at, BLOCK_MS))
                self.fault = None
            except FAULTS as error:
                fault = str(self._stream.refused(error))
                if fault != self.fault:
                    logger.error("stage=serve event=tail_waits reason=%s", fault)
                self.fault = fault
                time.sleep(AGAIN_SECONDS)
        client.close()
        self._client.close()

    def _take(self, found: list[Entry]) -> None:
        with self._moved:
            self._waiting.extend(entry.raw for entry in found)
            if found:
                self._at = found[-1].id
            if len(found) < PAGE:
                self._exhausted = self._asked
            self._moved.notify_all()
            while len(self._waiting) > MOST_WAITING and not self._closed:
                self._moved.wait(0.05)
