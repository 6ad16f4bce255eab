"""What is to be done about drift? Reads a report, decides by a table, and remembers why.

The table (`DriftSettings.rules`) is data: which figure of the report, from which value, for how
many windows, calls for which action. New matured outcomes alone call for UPDATE, the loop's
normal turn; exploration is widened, the model rebuilt or the loop halted only when a figure
stays out of bounds. Measuring is another question, in another file.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.domain import DriftAction
from components.drift.drift_report import DriftReport, ReferenceDrift
from components.drift.settings import DriftSettings, Rule

ORDER = tuple(DriftAction)
"""From nothing to stop; of the rules that hold, the one of the gravest action is followed."""


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
class DriftDecision:
    """The action, one reason per rule that holds (also of those not followed, and why not), and the next state."""

    action: DriftAction
    reasons: tuple[str, ...]
    state: DriftState


def decide(report: DriftReport, state: DriftState, settings: DriftSettings) -> DriftDecision:
    """The decision on one window; `state` is the last decision's, `DriftState()` at first."""
    known = figures(report, settings)
    streaks = {
        name(rule): state.streaks.get(name(rule), 0) + 1
        for rule in settings.rules
        if known[rule.figure] >= (rule.leave if name(rule) in state.streaks else rule.enter)
    }
    holding = [rule for rule in settings.rules if name(rule) in streaks]
    ready = [r for r in holding if streaks[name(r)] >= r.patience and not state.resting.get(name(r), 0)]
    followed = max(ready, key=lambda rule: ORDER.index(rule.action), default=None)
    resting = {rule: left - 1 for rule, left in state.resting.items() if left > 1}
    if followed is not None and followed.cool_down:
        resting |= {name(rule): rule.cool_down for rule in settings.rules if rule.action is followed.action}
    reasons = tuple(_reason(rule, known[rule.figure], streaks[name(rule)], state, followed) for rule in holding)
    action = DriftAction.NONE if followed is None else followed.action
    return DriftDecision(action, reasons or ("no figure is out of bounds",), DriftState(streaks, resting))


def name(rule: Rule) -> str:
    """Name of a rule in the state."""
    return f"{rule.action} {rule.figure}"


def figures(report: DriftReport, settings: DriftSettings) -> dict[str, float]:
    """Every figure that a rule can name: the larger the worse, nan where it can't be judged.

    - `outcome_collapse`: 1 - the smaller of rate/reference rate and (1-rate)/(1-reference rate),
      against either reference; 0 unless the difference is six standard errors or more.
    - `score_missing`: share of rows without a score.
    - `score_collapse`: 1 - spread of the scores / their spread in training.
    - `skill_lost`, `promise_excess`: see `Promise`; the latter 0 unless z is 3 or more.
    - `unseen_excess`: largest excess of unseen ids over the expected share, against training.
    - `fields_drifted`: share of fields that drifted against both references.
    - `matured`: rows whose reward is known.
    """
    enough = report.matured >= settings.min_rows
    promise = report.promise
    return {
        "outcome_collapse": max(_collapse(report, r) for r in report.references) if enough else math.nan,
        "score_missing": report.score_missing,
        "score_collapse": _score_collapse(report) if report.rows >= settings.min_rows else math.nan,
        "skill_lost": promise.skill_lost if enough else math.nan,
        "promise_excess": (promise.excess if promise.z >= 3 else 0.0) if enough else math.nan,
        "unseen_excess": max((i.excess for i in report.training.ids), default=0.0),
        "fields_drifted": min(r.share_drifted for r in report.references),
        "matured": float(report.matured),
    }


def _collapse(report: DriftReport, reference: ReferenceDrift) -> float:
    rate, then = report.reward, reference.reward
    if not abs(reference.z) >= 6:
        return 0.0
    kept = [part / whole for part, whole in ((rate, then), (1 - rate, 1 - then)) if whole > 0]
    return 1 - min(kept)


def _score_collapse(report: DriftReport) -> float:
    then = report.training.score_spread
    return 1 - report.score_spread / then if then > 0 else math.nan


def _reason(rule: Rule, figure: float, streak: int, state: DriftState, followed: Rule | None) -> str:
    said = f"{rule.action}: {rule.figure} is {figure:.4g}, limit {rule.enter:.4g}, for {streak} windows"
    if rule is followed:
        return said
    if resting := state.resting.get(name(rule), 0):
        return f"{said}; rests for {resting} more"
    return f"{said}; needs {rule.patience}" if streak < rule.patience else f"{said}; a graver one is followed"
