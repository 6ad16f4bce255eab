"""What the service needs of a decision log, wherever it is: files of its home, or a stream that replicas share.

A line is written with `append`, or with `tell` where the first of its kind wins; both answer with a receipt. `sync`
makes durable what was written, for all who wait (`bento.group_commit`), and after it the receipt says what became of
the line. Nothing is acknowledged before.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from bento.settings import ServiceSettings
from components.ingest.log_lines import LogLine, OutcomeLine, ServableLine
from components.serving.live_memory import Follow, in_files


class Earned(NamedTuple):
    """What an outcome came to: its reward, and how strong it was; no grade where nothing says so."""

    reward: float
    grade: float | None


SPOOL = "spool"
"""Folder of a home, where no other is named."""

Known = Callable[[], Earned | None]
"""Looks up what this process knows of an earlier outcome."""


class Receipt(Protocol):
    """Of a line that was handed to the log."""

    def settled(self) -> Earned | None:
        """After the sync: the outcome that was told before this one, which stands; None where the line is in the log.

        Raises
        ------
        Transient
            If the line may not be in the log.
        """
        ...


class Log(Protocol):
    """Takes the lines of one process, from one thread; `sync` and `probe` may run in others.

    `fault` says why it took nothing last, None once it takes lines again; `degraded`, why it takes decisions alone,
    whose impressions nobody else knows yet.
    """

    @property
    def fault(self) -> str | None: ...

    @property
    def degraded(self) -> str | None: ...

    def append(self, line: LogLine, at: int, naming: ServableLine | None = None) -> Receipt:
        """Write one line of the instant `at`; `naming` says what it refers to, where that was not said before.

        Raises
        ------
        Transient
            If the log takes nothing.
        """
        ...

    def tell(self, line: OutcomeLine, known: Known) -> Receipt:
        """Write an outcome, unless one of its impression and kind was told before, to any process.

        Raises
        ------
        Transient
            If the log takes nothing.
        """
        ...

    def sync(self) -> None:
        """Make durable what was written; blocks.

        Raises
        ------
        Transient
            If that failed: of what was written before nothing may be acknowledged.
        """
        ...

    def probe(self) -> None:
        """Find out whether the log takes lines, and say so in `fault`; blocks."""
        ...

    def close(self) -> None:
        """Sync, and let go."""
        ...


def open_log(settings: ServiceSettings, process: int) -> Log:
    """The log that the settings name.

    Raises
    ------
    ContractBroken
        If they name a stream that is none, or a spool that takes nothing.
    """
    if settings.log.get_secret_value():
        from bento.stream_log import StreamLog

        log = StreamLog(settings.stream, settings.retention_days)
        if settings.log_when_away == "refuse":
            return log
        from bento.spool import Spool
        from bento.spooling_log import SpoolingLog

        return SpoolingLog(log, Spool(settings.spool or settings.home / SPOOL, process, settings.segment_bytes))
    from bento.decision_log import DecisionLog

    return DecisionLog(settings.home, process, settings.segment_bytes, several=settings.workers > 1)


def follow(settings: ServiceSettings) -> Follow:
    """How the same log is followed."""
    if not settings.log.get_secret_value():
        return in_files(settings.home)
    from components.ingest.log_lines import parse_brief
    from components.ingest.stream_tail import StreamTail

    stream = settings.stream
    return lambda since: StreamTail(stream, since, parse_brief)
