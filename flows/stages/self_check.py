"""The service's log against its own bundles: would the same policy log the same propensities again?"""

from components.domain import EvercurrentError
from components.frozen import Frozen
from components.ingest.log_lines import ForgetLine, GoneLine, LogLine, RequestLine, ServableLine, parse_line
from components.ingest.log_tail import LogTail
from components.publish.read_bundle import load_bundle
from components.publish.set_aside import read_decided
from components.publish.snapshot import resumed
from components.serving.live_memory import Steps
from components.serving.recompute import Recomputed, recompute
from components.serving.served import Served
from flows.workspace import Workspace

EXCESS_Z = 4.0
"""Standard errors by which mean(1 / propensity) may miss the size of the eligible sets: errs once in 16,000 logs."""


class SelfCheck(Frozen):
    """What `evercurrent self-check --json` prints: shown positions by how their propensity came out again."""

    requests: int
    exact: int
    close: int
    off: int
    unnamed: int
    gone: int
    largest: float
    worst: str
    excess_z: float
    damaged: int = 0
    forgotten: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the log."""
        return self.off == self.damaged == 0 and abs(self.excess_z) <= EXCESS_Z

    @property
    def said(self) -> str:
        """One line."""
        compared = self.exact + self.close + self.off
        told = f"{self.exact} of {compared} logged propensities come out again to the bit"
        if self.close:
            told += f", {self.close} within a thousandth (lines learned in another order)"
        if self.off:
            told += f", {self.off} do not: the worst is {self.worst}, by {self.largest:.2%}"
        if self.damaged:
            told += f"; {self.damaged} lines of the log are not as they were written"
        if self.unnamed or self.gone:
            told += f"; {self.unnamed} do not name their memory, of {self.gone} the memory is not kept any more"
        if self.forgotten:
            told += f"; {self.forgotten} are of memories that knew users who are forgotten since"
        return f"{told}; mean(1/propensity) is {self.excess_z:+.1f} standard errors from the size of the eligible sets"


def self_check(workspace: Workspace, requests: int, tick_seconds: float) -> SelfCheck:
    """The latest `requests` of the decision log, computed again; reading changes nothing."""
    tail = LogTail(workspace.root, 0, parse_line)
    lines = _latest(list(tail.lines()), requests)
    steps = Steps.of(tick_seconds, 0.0, STEPS_DAYS)
    aside_after = read_decided(workspace.root).after
    found = recompute(workspace.root, lines, lambda g, until: _served(workspace, g, until), steps, aside_after)
    return _told(found, sum(isinstance(line, RequestLine) for line in lines), tail.passed_over)


STEPS_DAYS = 7.0
"""As long as the service takes outcomes of an impression (EVERCURRENT_RETENTION_DAYS)."""


def _latest(everything: list[LogLine], requests: int) -> list[LogLine]:
    """The latest requests, with all lines that name servable items, or say that somebody was forgotten."""
    asked = sorted((line for line in everything if isinstance(line, RequestLine)), key=lambda line: line.at)
    kept: list[LogLine] = [line for line in everything if isinstance(line, ServableLine | ForgetLine | GoneLine)]
    return kept + list(asked[-requests:])


def _served(workspace: Workspace, generation: int, known_until: int) -> Served | None:
    """The generation with the memory that knew everything before an instant."""
    try:
        released = load_bundle(workspace.bundle(generation))
        if released.cutoff == known_until:
            return released
        start = resumed(workspace.root, released)
    except (EvercurrentError, OSError, ValueError, KeyError):
        return None
    return start.served if start.known_until == known_until else None


def _told(found: Recomputed, requests: int, damaged: int) -> SelfCheck:
    names = ("exact", "close", "off", "unnamed", "gone", "forgotten", "largest", "worst", "excess_z")
    return SelfCheck(requests=requests, damaged=damaged, **{name: getattr(found, name) for name in names})
