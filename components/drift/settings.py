"""What counts as drift, and what is done about it: the settings of both questions."""

from typing import Literal

from pydantic import Field, model_validator

from components.domain import DriftAction
from components.frozen import Frozen

Figure = Literal[
    "outcome_collapse",
    "slope_lost",
    "one_user",
    "repeated",
    "field_emptied",
    "field_unknown",
    "attributes_lost",
    "amount_ratio",
    "score_missing",
    "score_collapse",
    "skill_lost",
    "calibration_excess",
    "unseen_items",
    "fields_drifted",
    "matured",
]
"""Figures of a report that a rule can name; `components.drift.drift_action.figures` says what they are."""


class Rule(Frozen):
    """One line of the decision table: the action taken when a figure of the report is too large.

    `enter` starts it and `leave`, not above it, ends it (hysteresis: a figure that wavers around
    one limit must not switch the action on and off). It has to hold for `patience` windows in a
    row, and once taken rests for `cool_down` windows, so that its effect can be seen first.
    """

    action: DriftAction
    figure: Figure
    enter: float
    leave: float
    patience: int = Field(default=1, ge=1)
    cool_down: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _leaves_below_enter(self) -> "Rule":
        if self.leave > self.enter:
            raise ValueError(f"rule {self.figure} leaves at {self.leave}; allowed is at most its enter, {self.enter}")
        return self


class DriftSettings(Frozen):
    """Settings of measuring and of deciding."""

    sample: int = Field(default=2000, ge=10)
    """Rows of each frame that fields are compared on. Fixed, because test statistics and run time grow with it."""
    top: int = Field(default=12, ge=1)
    """Categories named per field; the rest is one."""
    threshold: float = Field(default=0.1, gt=0)
    """Jensen-Shannon distance (natural log, 0 to 0.83) from which a field counts as drifted; Evidently's default."""
    noise: float = Field(default=0.001, gt=0, lt=1)
    """Probability that mere sampling passes the limit of a field: small windows get a wider limit than `threshold`."""
    min_rows: int = Field(default=50, ge=1)
    """Matured rows below which rates, losses and spreads of a window are not judged. Own choice."""
    page: bool = False
    """Let Evidently draw its own page, too: two thirds of the time of a measurement, 70 kB a turn and 3.6 MB once. The
    distances are the same without."""
    rules: tuple[Rule, ...] = (
        Rule(action=DriftAction.HALT, figure="outcome_collapse", enter=0.95, leave=0.9),
        Rule(action=DriftAction.HALT, figure="slope_lost", enter=0.4, leave=0.4),
        Rule(action=DriftAction.HALT, figure="one_user", enter=0.2, leave=0.2),
        Rule(action=DriftAction.HALT, figure="repeated", enter=0.2, leave=0.2),
        Rule(action=DriftAction.HALT, figure="field_emptied", enter=0.5, leave=0.5),
        Rule(action=DriftAction.HALT, figure="field_unknown", enter=0.9, leave=0.9),
        Rule(action=DriftAction.HALT, figure="attributes_lost", enter=0.5, leave=0.5),
        Rule(action=DriftAction.HALT, figure="amount_ratio", enter=5.0, leave=5.0),
        Rule(action=DriftAction.HALT, figure="score_missing", enter=0.05, leave=0.01),
        Rule(action=DriftAction.HALT, figure="score_collapse", enter=0.99, leave=0.95),
        Rule(action=DriftAction.REBUILD, figure="skill_lost", enter=0.05, leave=0.0, patience=2, cool_down=4),
        Rule(action=DriftAction.REBUILD, figure="calibration_excess", enter=0.3, leave=0.2, patience=2, cool_down=4),
        Rule(
            action=DriftAction.WIDEN_EXPLORATION, figure="unseen_items", enter=0.4, leave=0.3, patience=2, cool_down=2
        ),
        Rule(action=DriftAction.UPDATE, figure="matured", enter=100, leave=100),
        Rule(action=DriftAction.REFRESH_MEMORY, figure="matured", enter=1, leave=1),
    )
    """The decision table; of the rules that hold, the one of the gravest action is followed. Own choices:

    - `outcome_collapse` 0.95: the rate of reward fell to a twentieth of the reference's, or the rate of no reward did.
      No taste changes so in one window; a broken join or a dead client does.
    - `slope_lost` 0.4: the calibration slope is surely below 0.6. In clean windows of MovieTweetings, KuaiRand and a
      shop whose tastes turn within days it lost at most 0.09, 0.02 and 0.11; with 30 % of the outcomes turned round 0.5
      and more, turned round as a whole 1.8 (see docs/LOG.md).
    - `one_user` 0.2: a user makes a fifth more of the window than anybody did before.
    - `repeated` 0.2, `field_emptied` 0.5, `field_unknown` 0.9, `attributes_lost` 0.5: of what was otherwise so far, a
      fifth is repeated, half has no value, nearly all are values that nobody met, half of what was known has gone.
    - `amount_ratio` 5: amounts are told in another unit.
    - `score_missing` 0.05, `score_collapse` 0.99: propensities made of such scores are worth nothing.
    - `skill_lost` 0.05: one number for everybody loses 5 % less; warm starts did not repair it for two windows.
    - `calibration_excess` 0.3: the loss is 30 % above what the predictions imply; chance moves it by 2 % at 1,200 rows.
    - `unseen_items` 0.4: on MovieTweetings 0.12 is the most against last week and 0.34 against a champion of
      17 weeks ago, so the weekly loop stays with UPDATE (see docs/LOG.md).
    - `matured` 100: fewer outcomes are worth a write to the memory, not a generation and its evaluation.
    """

    @property
    def halting(self) -> "DriftSettings":
        """The same with the rules alone that halt."""
        halts = tuple(rule for rule in self.rules if rule.action is DriftAction.HALT)
        return self.model_copy(update={"rules": halts})

    @model_validator(mode="after")
    def _names_a_rule_once(self) -> "DriftSettings":
        names = [(rule.action, rule.figure) for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("a rule occurs twice; allowed is one per action and figure")
        return self
