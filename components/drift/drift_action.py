"""What is to be done about drift? Reads a report, decides by a table, and remembers why.

The table (`DriftSettings.rules`) is data: which figure of the report, from which value, for how
many windows, calls for which action. New matured outcomes alone call for UPDATE, the loop's
normal turn; exploration is widened, the model rebuilt or the loop halted only when a figure
stays out of bounds. Measuring is another question, in another file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.domain import DriftAction
from components.drift.drift_report import DriftReport, ReferenceDrift
from components.drift.settings import DriftSettings, Rule

ORDER = tuple(DriftAction)
"""From nothing to stop; of the rules that hold, the one of the gravest action is followed."""
COLLAPSE_Z = 6.0
"""Standard errors that a rate of reward must have moved to be read as collapsed; by chance once in 5e8 windows."""
SLOPE_Z = 3.0
"""Standard errors that are added to the calibration slope before it is judged; by chance once in 740 windows."""
CALIBRATION_Z = 3.0
"""Standard errors above the expected log loss from which the champion counts as no longer calibrated."""


@dataclass(frozen=True, slots=True)
class DriftState:
    """What one decision leaves to the next, by the name of a rule (``ACTION figure``).

    Attributes
    ----------
    streaks : windows in a row in which the rule held; rules that do not hold are absent.
    resting : windows for which the rule still rests after it was followed.
    """

    streaks: Mapping[str, int] = field(default_factory=dict)
    resting: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps({"streaks": dict(self.streaks), "resting": dict(self.resting)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DriftState":
        """The state written by `to_json`.

        >>> DriftState.from_json(DriftState({"UPDATE matured": 2}).to_json()).streaks
        {'UPDATE matured': 2}
        """
        read = json.loads(text)
        return cls(
            {str(name): int(count) for name, count in read["streaks"].items()},
            {str(name): int(count) for name, count in read["resting"].items()},
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """One line of the table on one window: the figure found, and how the rule stands."""

    rule: Rule
    figure: float
    limit: float
    streak: int
    resting: int
    followed: bool
    evidence: str = ""

    @property
    def holds(self) -> bool:
        """The figure is out of bounds."""
        return self.streak > 0

    def __str__(self) -> str:
        rule = self.rule
        said = f"{rule.action}: {rule.figure} is {self.figure:.4g}, limit {self.limit:.4g}"
        if self.evidence and self.holds:
            said += f" ({self.evidence})"
        if self.followed or not self.holds:
            return said if self.streak <= 1 else f"{said}, for {self.streak} windows"
        if self.streak < rule.patience:
            return f"{said}; window {self.streak} of the {rule.patience} it takes"
        return f"{said}; rests for {self.resting} more" if self.resting else f"{said}; a graver action is taken"


@dataclass(frozen=True, slots=True)
class DriftDecision:
    """The action, why, and what to remember.

    Attributes
    ----------
    reasons : the rules followed, then rules of graver actions that hold and why they wait.
    state : for the next decision.
    judged : the whole table, in its order.
    """

    action: DriftAction
    reasons: tuple[str, ...]
    state: DriftState
    judged: tuple[Judged, ...]


def decide(report: DriftReport, state: DriftState, settings: DriftSettings) -> DriftDecision:
    """The decision on one window; `state` is the last decision's, `DriftState()` at first."""
    known = figures(report, settings)
    judged = tuple(_judge(rule, known[rule.figure], state) for rule in settings.rules)
    ready = [j for j in judged if j.streak >= j.rule.patience and not j.resting]
    action = max((j.rule.action for j in ready), key=ORDER.index, default=DriftAction.NONE)
    said = evidence(report)
    judged = tuple(
        replace(j, followed=j in ready and j.rule.action is action, evidence=said.get(j.rule.figure, ""))
        for j in judged
    )
    waiting = [j for j in judged if j.holds and ORDER.index(j.rule.action) > ORDER.index(action)]
    reasons = [str(j) for j in judged if j.followed] + [str(j) for j in waiting]
    quiet = [f"{action}: no rule holds", *(str(j) for j in judged if j.rule.figure == "matured")]
    return DriftDecision(
        action=action,
        reasons=tuple(reasons or quiet),
        state=_next(judged, action),
        judged=judged,
    )


def _judge(rule: Rule, figure: float, state: DriftState) -> Judged:
    """A rule on one window: `leave` counts once it has lasted, until then every window must reach `enter`."""
    streak = state.streaks.get(name(rule), 0)
    limit = rule.leave if streak >= rule.patience else rule.enter
    return Judged(rule, figure, limit, streak + 1 if figure >= limit else 0, state.resting.get(name(rule), 0), False)


def _next(judged: Sequence[Judged], action: DriftAction) -> DriftState:
    """Streaks as they stand; every rule of the action taken rests for its cool-down, others one window less."""
    rests = {
        name(j.rule): j.rule.cool_down if j.rule.action is action and not j.resting else j.resting - 1 for j in judged
    }
    return DriftState(
        {name(j.rule): j.streak for j in judged if j.streak}, {rule: left for rule, left in rests.items() if left > 0}
    )


def name(rule: Rule) -> str:
    """Name of a rule in the state."""
    return f"{rule.action} {rule.figure}"


def figures(report: DriftReport, settings: DriftSettings) -> dict[str, float]:
    """Every figure that a rule can name: the larger the worse, nan where it can't be judged.

    - `outcome_collapse`: 1 - the smaller of rate/reference rate and (1-rate)/(1-reference rate),
      against either reference; 0 unless the difference is six standard errors or more.
    - `slope_lost`: 1 - the calibration slope of the champion's own logits, three standard errors added to it.
    - `one_user`, `repeated`, `field_emptied`, `field_unknown`, `attributes_lost`: `Excess.beyond` of `busiest`,
      `repeated`, `emptied`, `unknown` and `lost` of `Contradiction`.
    - `amount_ratio`: see `Contradiction`.
    - `score_missing`: share of rows without a score.
    - `score_collapse`: 1 - spread of the scores / their spread in training.
    - `skill_lost`, `calibration_excess`: see `Calibration`; the latter 0 unless z is 3 or more.
    - `unseen_items`: share of rows with an item unseen in training, above the share expected. Users
      are left out: exploration can't make a user known sooner.
    - `fields_drifted`: share of fields that drifted against both references.
    - `matured`: rows whose reward is known.
    """
    enough = report.matured >= settings.min_rows
    calibration, found = report.calibration, report.contradiction
    busy = found.busiest.share * report.rows >= settings.min_rows
    seen = report.rows >= settings.min_rows
    return {
        "outcome_collapse": max(_collapse(report, r) for r in report.references) if enough else math.nan,
        "slope_lost": 1 - found.slope.at_most(SLOPE_Z) if enough else math.nan,
        "one_user": found.busiest.beyond if busy else math.nan,
        "repeated": found.repeated.beyond if seen else math.nan,
        "field_emptied": found.emptied.beyond if seen else math.nan,
        "field_unknown": found.unknown.beyond if seen else math.nan,
        "attributes_lost": found.lost.beyond,
        "amount_ratio": found.amount_ratio if enough else math.nan,
        "score_missing": report.score_missing,
        "score_collapse": _score_collapse(report) if seen else math.nan,
        "skill_lost": calibration.skill_lost if enough else math.nan,
        "calibration_excess": (calibration.excess if calibration.z >= CALIBRATION_Z else 0.0) if enough else math.nan,
        "unseen_items": max((i.excess for i in report.training.ids if i.column == "item"), default=0.0),
        "fields_drifted": min(r.share_drifted for r in report.references),
        "matured": float(report.matured),
    }


def evidence(report: DriftReport) -> dict[str, str]:
    """What a figure was read off, in words, for those that a person would ask that of."""
    found = report.contradiction
    slope = f"calibration slope {found.slope.value:.2f}, error {found.slope.error:.2f}"
    how = "are the opposite of" if found.slope.at_most(SLOPE_Z) < 0 else "do not follow"
    return {
        "slope_lost": f"{slope}: outcomes {how} the champion's predictions",
        "one_user": f"{found.busiest} of the impressions",
        "repeated": f"shown before to the same user: {found.repeated}",
        "field_emptied": f"without a value: {found.emptied}",
        "field_unknown": f"never met before: {found.unknown}",
        "attributes_lost": f"gone: {found.lost}",
    }


def _collapse(report: DriftReport, reference: ReferenceDrift) -> float:
    rate, then = report.reward, reference.reward
    if not abs(reference.z) >= COLLAPSE_Z:
        return 0.0
    kept = [part / whole for part, whole in ((rate, then), (1 - rate, 1 - then)) if whole > 0]
    return 1 - min(kept)


def _score_collapse(report: DriftReport) -> float:
    then = report.training.score_spread
    return max(0.0, 1 - report.score_spread / then) if then > 0 and report.score_spread >= 0 else math.nan
