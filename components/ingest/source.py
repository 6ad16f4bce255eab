"""What a source's columns mean, read from ``<name>.toml``: a log is described, not programmed.

The description is data with a contract (pydantic, unknown keys are errors), so that a
stranger's Parquet or CSV needs a file of twenty lines and no code.
"""

import math
import re
import tomllib
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from components import feature_spec
from components.domain import ContractBroken
from components.feature_spec import FeatureSpec, FieldKind, FieldOf
from components.frozen import Frozen, first_fault
from components.ingest.amount_scale import AmountScale
from components.ranker.features import RECENT

Scalar = str | int | float | bool
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]


class TimeColumn(Frozen):
    """The instant an item was shown: `column`, and the unit of its numbers (`iso` for text or timestamps)."""

    column: str
    unit: Literal["s", "ms", "us", "iso"]


OUTCOME_KINDS = ("cart", "click", "comment", "like", "long_view", "play", "purchase", "rating", "save", "share", "view")
"""What people do with what they are shown; a word of one's own begins with own_, so that a typo is found."""


class OutcomeColumn(Frozen):
    """What the user did: `column`, the outcome's `kind`, and which values count as reward 1.

    Exactly one of `at_least`, `equals`, `one_of` says what is positive, or `reward = "amount"` that the column holds
    what the outcome was worth: money, seconds, stars. `grade` names a column of numbers that says how strong the
    outcome was: it tells apart what yes and no do not, and only its order matters. With `at_least` and with amounts
    the column itself is the grade.
    """

    column: str
    kind: str
    grade: str | None = None
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    reward: Literal["amount"] | None = None
    """None is yes or no, `amount` the column's number, counted from the lower end of `range`."""
    unit: str | None = Field(default=None, min_length=1)
    """What amounts are told in, such as EUR; by default the column's name."""
    range: tuple[FiniteNumber, FiniteNumber] | None = None
    """Lowest and highest value; by default amounts begin at 0 and know no upper limit."""

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in OUTCOME_KINDS and not re.fullmatch(r"own_[a-z_]+", kind):
            near = get_close_matches(kind, OUTCOME_KINDS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"allowed are {', '.join(OUTCOME_KINDS)}, or a word of your own of the form own_word{meant}"
            )
        return kind

    @model_validator(mode="after")
    def _one_rule(self) -> "OutcomeColumn":
        rules = [r for r in (self.at_least, self.equals, self.one_of, self.reward) if r is not None]
        if len(rules) != 1:
            raise ValueError(
                f"outcome has {len(rules)} rules; exactly one of at_least, equals, one_of, reward is allowed"
            )
        return self

    @model_validator(mode="after")
    def _amounts_alone(self) -> "OutcomeColumn":
        if self.reward is None and (self.unit is not None or self.range is not None):
            raise ValueError('outcome has a unit or a range; they are allowed with reward = "amount" alone')
        if self.reward is not None and self.grade is not None:
            raise ValueError(f'outcome has grade = {self.grade!r}; with reward = "amount" the amount is the grade')
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"range is {list(self.range)}; allowed are two numbers, the lower one first")
        return self

    @property
    def amounts(self) -> AmountScale | None:
        """How the column's numbers become amounts; None where it says yes or no."""
        if self.reward is None:
            return None
        unit, (low, high) = self.unit or self.column, self.range or (0.0, None)
        return AmountScale(unit=unit, low=low, high=high)

    @property
    def graded_by(self) -> str | None:
        """The column that grades the outcome, if any."""
        own = self.at_least is not None or self.reward is not None
        return self.grade or (self.column if own else None)


class Columns(Frozen):
    """Names of the log's columns for what every log may carry; only user and item are needed.

    A log without `propensity` can be learned from but not evaluated by weighting. Without
    `request_id` each row is a request of its own; without `eligible` (a list of item ids)
    the eligible set is unknown.
    """

    user_id: str
    item_id: str
    request_id: str | None = None
    impression_id: str | None = None
    position: str | None = None
    propensity: str | None = None
    eligible: str | None = None
    generation: str | None = None
    outcome_at: str | None = None


class SideTable(Frozen):
    """A table of attributes beside the log: file relative to the description, and its id column."""

    path: str
    key: str


class FieldColumn(Frozen):
    """One model field and the column it is read from (default: the column of the same name)."""

    name: str
    kind: FieldKind
    of: FieldOf
    column: str | None = None
    width: int = Field(default=1, ge=1)
    edges: tuple[float, ...] | None = None
    """Cuts a numeric column into ``len(edges) + 1`` categories."""
    shares: str | None = None
    """The field whose ids this one holds, such as ``item`` for a user's recent items."""

    @field_validator("edges")
    @classmethod
    def _ascending(cls, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if edges is not None and not all(low < high for low, high in pairwise((*edges, math.inf))):
            raise ValueError(f"edges are {list(edges)}; allowed are finite numbers, each above the one before")
        return edges

    def field(self) -> feature_spec.Field:
        """The field of the feature spec."""
        width = 0 if self.kind is FieldKind.NUMERIC else self.width
        return feature_spec.Field(self.name, self.kind, self.of, width, self.shares)


class SimulatedLog(Frozen):
    """A log made by `components.world.simulated`: so many `days`, and the `laws` that are not its defaults."""

    days: int = Field(ge=1)
    laws: dict[str, float] = Field(default_factory=dict)


class WorldColumns(Frozen):
    """How the recorded-log world makes requests: one per user and `period`, answered with `slate_size` items."""

    period: Literal["day", "week"] = "week"
    slate_size: int = Field(default=1, ge=1)


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names become folders, keys and parts of ids: letters, digits, dot, dash and underscore are safe in all of them."""


class Source(Frozen):
    """The description of one source.

    Attributes
    ----------
    path : the log that ships with the description, if any, relative to it.
    simulated : the log is made by the simulated world instead of read.
    pretrain : length of the stretch generation 1 is trained on, such as ``8w`` or ``4d``.
    attribution : seconds after which an impression without outcome counts as reward 0; without it
        outcomes are explicit and a missing one stays unknown.
    measured : outcomes of other kinds, which are not learned from but may be a release's metric or a guardrail
        (``[metrics]``); one that did not come within the attribution window counts as 0.
    """

    name: str
    title: str
    path: str | None = None
    licence: str | None = None
    simulated: SimulatedLog | None = None
    pretrain: str = "8w"
    attribution: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    columns: Columns
    time: TimeColumn
    outcome: OutcomeColumn
    measured: tuple[OutcomeColumn, ...] = ()
    users: SideTable | None = None
    items: SideTable | None = None
    fields: tuple[FieldColumn, ...]
    world: WorldColumns = WorldColumns()

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("allowed are letters, digits, dot, dash and underscore, a letter or digit first")
        return name

    @model_validator(mode="after")
    def _starts_with_ids(self) -> "Source":
        names = [f.name for f in self.fields]
        if names[:2] != ["user", "item"]:
            raise ValueError(f"fields start with {names[:2]}; the first two must be named user and item")
        if len(set(names)) < len(names):
            raise ValueError(f"fields repeat a name: {sorted(n for n in set(names) if names.count(n) > 1)}")
        return self

    @model_validator(mode="after")
    def _measures_other_kinds_in_time(self) -> "Source":
        kinds = [self.outcome.kind, *(m.kind for m in self.measured)]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"outcome and measured have the kinds {', '.join(kinds)}; each kind is allowed once")
        if self.measured and self.attribution is None:
            raise ValueError(
                "measured outcomes need attribution: seconds after which one that did not come counts as 0"
            )
        return self

    @model_validator(mode="after")
    def _history_holds_items(self) -> "Source":
        for f in self.fields:
            if f.name == RECENT and (f.kind, f.of, f.shares) != (FieldKind.MULTI, FieldOf.CONTEXT, "item"):
                raise ValueError(
                    f"field {RECENT} has kind {f.kind}, of {f.of}, shares {f.shares}; "
                    'what a user liked last needs kind = "multi", of = "context", shares = "item"'
                )
        return self

    @property
    def spec(self) -> FeatureSpec:
        """The feature spec of the source."""
        return FeatureSpec(tuple(f.field() for f in self.fields))


def read_source(path: Path) -> Source:
    """The description at `path`.

    Raises
    ------
    ContractBroken
        If the file is missing, is not TOML, or breaks the contract; one line.
    """
    try:
        return Source.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise ContractBroken(
            f"no source description at {path}; allowed is a .toml file as in docs/sources.md"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ContractBroken(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ContractBroken(f"{path}, {first_fault(error)}; see docs/sources.md") from None
