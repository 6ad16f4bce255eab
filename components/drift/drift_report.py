"""How far is the new window from what the champion knows? Measures; decides nothing.

Two references: the last window (what changed just now) and the champion's training window
(what changed since it learned). Fields are compared on samples of a fixed size by the
Jensen-Shannon distance: bounded, symmetric, defined with empty bins, and an effect size, not a
p value that grows with n. Evidently measures, and draws its own page for the training reference.
"""

import json
import math
from dataclasses import asdict, dataclass

from components.drift.calibration import Bin, Calibration
from components.drift.contradiction import UNCONTRADICTED, Contradiction

METHOD = "jensenshannon"


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field: its Jensen-Shannon distance, and the limit from which it counts as drifted.

    `limit` is the larger of the setting's threshold and what sampling alone would not exceed.
    """

    column: str
    distance: float
    limit: float

    @property
    def drifted(self) -> bool:
        """The distance is above the limit."""
        return self.distance > self.limit


@dataclass(frozen=True, slots=True)
class IdDrift:
    """Share of rows whose id is not in the reference, and the share expected of traffic that did not change.

    The expectation is the share of the reference's rows whose id occurs once in it (Good 1953, Biometrika 40,
    eq. 12, after Turing): nearly unbiased for independent rows. For users it is nan: a new user's rows come in
    bunches, so that it is too low, or once per window by design, so that it is 1.
    """

    column: str
    unseen: float
    expected: float

    @property
    def excess(self) -> float:
        """By how much more is unseen than expected."""
        return self.unseen - self.expected


@dataclass(frozen=True, slots=True)
class ReferenceDrift:
    """The new window against one reference (`name`: ``training`` or ``last``) of `rows` rows.

    `z` is the difference of the rates of reward in standard errors.
    """

    name: str
    rows: int
    fields: tuple[FieldDrift, ...]
    ids: tuple[IdDrift, ...]
    score: FieldDrift
    reward: float
    z: float
    score_spread: float

    @property
    def share_drifted(self) -> float:
        """Share of the fields that drifted; 0 without fields."""
        return sum(f.drifted for f in self.fields) / len(self.fields) if self.fields else 0.0


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was measured.

    Attributes
    ----------
    rows, matured : rows of the new window, and those whose reward is known.
    reward : mean reward; score, score_spread : mean and standard deviation; score_missing : share without score.
    training, last : against the two references; `last` is None in the first window.
    calibration : the champion's predictions against the outcomes; bins : the same by score.
    contradiction : what speaks against learning the window at all.
    html : Evidently's own page for the training reference, self-contained, 4 MB; empty unless `settings.page`.
    """

    rows: int
    matured: int
    reward: float
    score: float
    score_spread: float
    score_missing: float
    training: ReferenceDrift
    last: ReferenceDrift | None
    calibration: Calibration
    bins: tuple[Bin, ...]
    html: str
    contradiction: Contradiction = UNCONTRADICTED

    @property
    def references(self) -> tuple[ReferenceDrift, ...]:
        """The references there are, training first."""
        return (self.training,) if self.last is None else (self.training, self.last)

    def to_json(self) -> str:
        """All figures without the page; nan is null; the same measurement gives the same text."""
        said = {k: v for k, v in asdict(self).items() if k != "html"}
        for reference in self.references:
            said[reference.name]["drifted"] = [f.column for f in (reference.score, *reference.fields) if f.drifted]
        said["calibration"] |= {"excess": self.calibration.excess, "skill_lost": self.calibration.skill_lost}
        return json.dumps(_plain(said), indent=1)


def _plain(value: object) -> object:
    """Value with tuples as lists and nan as None, ready for JSON."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
