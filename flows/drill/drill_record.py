"""What a drill found: one line per case."""

from components.domain import Verdict
from components.frozen import Frozen


class DrilledCase(Frozen):
    """One case and how it ended.

    Attributes
    ----------
    sound : a clean control. worth : exact value of what was judged, as a share of the champion's in the same requests;
        None where it has none. requests : of the turn it was judged in.
    turn : 1 where the gate spoke; later where the release had to be rolled back.
    page : the evaluation page that says so.
    """

    case: str
    mishap: str
    sound: bool
    worth: float | None
    requests: int
    verdict: Verdict
    reasons: tuple[str, ...]
    turn: int
    page: str
    seconds: float

    @property
    def as_it_should(self) -> bool:
        """A clean control is promoted; anything else is held or rolled back."""
        return (self.verdict is Verdict.PROMOTE) == self.sound


class DrillRecord(Frozen):
    """What `evercurrent drill --json` prints."""

    home: str
    seconds: float
    cases: tuple[DrilledCase, ...]

    @property
    def passed(self) -> bool:
        """Whether every case ended as it should."""
        return all(case.as_it_should for case in self.cases)
