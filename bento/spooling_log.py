"""A stream that may be away: decisions wait in files of this machine meanwhile, and are acknowledged from there.

What an answer says must be so. A decision is its replica's own: nobody else knows its impressions before it is in the
stream, so that it can be written down here and told later. Whether an outcome is the first of its impression, who is
forgotten and what the catalogue is are decided by the order in which the broker takes them; and outcomes that came late
would have every propensity logged meanwhile come out otherwise when it is computed again. So those are refused, by
503, until the broker is back and has all decisions (docs/decisions/0027-one-log-for-many-replicas.md).
"""

import logging
import threading

from redis.exceptions import RedisError

from bento.log import Known, Receipt
from bento.spool import Spool, move, remove
from bento.stream_log import StreamLog
from components.domain import Transient
from components.ingest.log_lines import LogLine, OutcomeLine, RequestLine, ServableLine

logger = logging.getLogger("bentoml.evercurrent")

MOVING = "what was decided while the decision log's broker was away is on its way there; try again"


class SpoolingLog:
    """Writes into the stream, or into the spool; as `bento.log.Log`."""

    def __init__(self, stream: StreamLog, spool: Spool) -> None:
        """What earlier processes have left is moved before anything else, if the broker is there."""
        self._stream, self._spool = stream, spool
        self._guard = threading.Lock()  # held while a line is written, and while it is decided where lines go
        self._away = True
        self._stuck: str | None = None
        self.probe()

    @property
    def fault(self) -> str | None:
        """Why not even the spool takes a decision; None while decisions are taken."""
        return self._spool.fault if self._away else None

    @property
    def degraded(self) -> str | None:
        """Why decisions go to the spool; None where they go into the stream."""
        return (self._stream.fault or self._stuck or MOVING) if self._away else None

    def append(self, line: LogLine, at: int, naming: ServableLine | None = None) -> Receipt:
        """As `bento.log.Log`."""
        with self._guard:
            if not self._away:
                try:
                    return self._stream.append(line, at, naming)
                except Transient:
                    self._away = True
            if isinstance(line, RequestLine):
                return self._spool.append(line, at, naming)
        raise Transient(self.degraded or MOVING)

    def tell(self, line: OutcomeLine, known: Known) -> Receipt:
        """As `bento.log.Log`: an outcome is told to the broker alone."""
        if self._away and self._stream.fault is None:
            raise Transient(self._stuck or MOVING)
        return self._stream.tell(line, known)

    def sync(self) -> None:
        """As `bento.log.Log`: of both; a line's receipt knows in which it was."""
        self._spool.sync()
        self._stream.sync()

    def probe(self) -> None:
        """As `bento.log.Log`; once the broker is back it is given what waits."""
        self._stream.probe()
        self._spool.probe()
        if self._stream.fault is not None:
            self._away = True
            return
        stuck = None
        try:
            self._move()
        except RedisError as error:
            self._stream.lost(error)
        except (OSError, Transient) as error:
            stuck = f"the spool {self._spool.folder} cannot be moved: {error}; see whether its disk is sound"
            if stuck != self._stuck:
                logger.error("stage=serve event=spool_stuck reason=%s", stuck)
        self._stuck = stuck

    def close(self) -> None:
        """As `bento.log.Log`; what waits stays for the next process."""
        try:
            self._stream.close()
        finally:
            self._spool.leave()

    def _move(self) -> None:
        """What the dead have left, then one's own; more comes meanwhile, and where it ends is seen under the guard."""
        client, stream = self._stream.client, self._stream.stream
        self._spool.adopt(client, stream)
        while self._away:
            with self._guard:
                before = self._spool.ends()
            if move(client, stream, before):
                continue
            with self._guard:
                if self._spool.ends() != before:
                    continue
                self._spool.close()
                self._away = False
            remove(client, stream, before)
