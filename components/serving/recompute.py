"""Are the logged propensities those that the logged policy gave? Computed again from the log and the bundles.

A decision names its generation and what its memory knew: every outcome before an instant (of the bundle, or of a
snapshot) and so many of the log after it. So the memory can be made again, outcome by outcome, and the decision with
it, to the last bit. Where processes learned a line late, one of them learned in another order than the log tells, and
its decisions come out close, not equal.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from components.domain import Doubles
from components.ingest.log_lines import ForgetLine, GoneLine, LogLine, RequestLine, ServableLine
from components.policy.slates import Shown
from components.serving.aside import Aside
from components.serving.live_memory import LiveMemory, Steps, column, in_files
from components.serving.served import RankRequests, Served

CLOSE = 1e-3
"""Relative difference up to which a propensity counts as close: what another order of learning makes."""

Find = Callable[[int, int], Served | None]
"""Generation and what its memory knows all outcomes before -> that generation; None where it is not kept any more."""


@dataclass
class Recomputed:
    """How logged propensities compare with those computed again, in shown positions.

    `largest` is the largest relative difference. `unnamed` positions are of lines that do not name their memory, `gone`
    of generations or memories that are not kept any more, `forgotten` of memories that had learned from users who are
    forgotten since. `excess` (k,) is ``1 / propensity - |R|`` of each compared
    position, R the items still eligible there: its mean is 0 where nothing is shown that could not be, or more
    often than logged.
    """

    exact: int = 0
    close: int = 0
    off: int = 0
    unnamed: int = 0
    gone: int = 0
    forgotten: int = 0
    largest: float = 0.0
    worst: str = ""
    excess: list[float] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """Positions that were computed again."""
        return self.exact + self.close + self.off

    @property
    def excess_z(self) -> float:
        """Standard errors by which the mean of `excess` misses 0; 0 below two positions."""
        each = np.asarray(self.excess)
        spread = float(each.std(ddof=1)) if len(each) > 1 else 0.0
        return float(each.mean()) / spread * len(each) ** 0.5 if spread > 0 else 0.0

    def take(self, line: RequestLine, again: Doubles, eligible: int) -> None:
        """Compare one request's slate."""
        for position, (shown, found) in enumerate(zip(line.slate, again.tolist(), strict=True)):
            apart = abs(found - shown.propensity) / shown.propensity
            if apart > self.largest:
                self.largest, self.worst = apart, shown.impression_id
            self.exact += found == shown.propensity
            self.close += 0 < apart <= CLOSE
            self.off += not apart <= CLOSE
            self.excess.append(1 / shown.propensity - (eligible - position))


def recompute(
    home: Path, lines: Iterable[LogLine], find: Find, steps: Steps, aside_after: Callable[[int], Aside] = Aside
) -> Recomputed:
    """Compute the decisions of some lines of the log under `home` again.

    `aside_after` says which windows were set aside after so many decisions about windows.
    """
    found, servable, named = Recomputed(), dict[int, tuple[str, ...]](), list[RequestLine]()
    missing: list[int] = []
    for line in lines:
        if isinstance(line, ServableLine):
            servable[line.generation] = line.items
        elif isinstance(line, ForgetLine | GoneLine):
            missing.append(line.at)
        elif isinstance(line, RequestLine):
            if line.known_until is None or line.learned is None:
                found.unnamed += len(line.slate)
            else:
                named.append(line)
    named.sort(key=lambda line: (_memory(line), line.learned or 0, line.changes, line.at))
    for (generation, known_until, asides), asked in groupby(named, _memory):
        served = find(generation, known_until)
        if served is None:
            found.gone += sum(len(line.slate) for line in asked)
            continue
        live = LiveMemory(served, known_until, in_files(home), steps, aside_after(asides))
        whole = min((at for at in missing if at >= known_until - steps.retention), default=math.inf)
        for line in asked:
            if line.at >= whole and line.learned:
                found.forgotten += len(line.slate)
                continue
            live.learn_until(line.learned or 0)
            live.change(line.changes)
            eligible = servable.get(generation, ()) if line.eligible is None else line.eligible
            found.take(line, _again(live.served, line, eligible), len(eligible))
    return found


def _memory(line: RequestLine) -> tuple[int, int, int]:
    return line.generation, line.known_until or 0, line.asides


def _again(served: Served, line: RequestLine, eligible: tuple[str, ...]) -> Doubles:
    """(L,) propensities of the slate's positions; nan where the slate could not have been drawn."""
    context = {name: column([value]) for name, value in line.context.items()}
    asked = RankRequests.of([line.user_id], np.array([line.at]), [column(list(eligible))], context)
    place = {item: entry for entry, item in enumerate(eligible)}
    entry = [place.get(shown.item_id, -1) for shown in line.slate]
    if -1 in entry or len(set(entry)) < len(entry):
        return np.full(len(entry), np.nan)
    scored = served.score_eligible(asked)
    shown = Shown(np.array(entry, np.int64), np.array([0, len(entry)]))
    return served.policy.score(scored.appraisal.preference, scored.offsets, shown)
