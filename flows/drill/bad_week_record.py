"""What a drill of the data found: one line per lie."""

from components.domain import DriftAction, Verdict
from components.frozen import Frozen

POINTS = 0.005
"""AUC that the period after a bad one may lose against a replay in which the bad one was never logged."""


class BadWeek(Frozen):
    """One lie and how the loop took it.

    Attributes
    ----------
    sound : a clean control. action, verdict, reasons : of the turn over the bad period.
    auc_after : of the champion with its memory, in the period after; auc_without : where the bad one was never logged.
    promoted_after : clean turns until the loop promoted again; None: it did not.
    """

    case: str
    said: str
    sound: bool
    action: str
    verdict: Verdict
    reasons: tuple[str, ...]
    auc_after: float
    auc_without: float
    promoted_after: int | None
    seconds: float

    @property
    def noticed(self) -> bool:
        """Whether the turn over the bad period said so: it halted, or refused to judge by what was logged."""
        return self.action == DriftAction.HALT or any(reason.startswith("refused:") for reason in self.reasons)

    @property
    def as_it_should(self) -> bool:
        """A lie is noticed, does no harm, and does not stop the loop; a clean control is not noticed."""
        unharmed = self.auc_after >= self.auc_without - POINTS
        return self.noticed != self.sound and unharmed and self.promoted_after is not None


class BadWeekRecord(Frozen):
    """What `evercurrent drill --data --json` prints."""

    home: str
    seconds: float
    cases: tuple[BadWeek, ...]

    @property
    def passed(self) -> bool:
        """Whether every case ended as it should."""
        return all(case.as_it_should for case in self.cases)
