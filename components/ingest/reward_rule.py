"""Where an impression's reward is decided: which values of the source's outcome are reward 1, and what they are worth.

Ingest asks it for whole columns, and the service, which carries it with the generation it serves, for one value at a
time; both ask the same rule. When a reward is known (maturity) stands in the macro `matured` of the warehouse, and for
the live memory in `components.serving.live_memory`; a test holds the two together.
"""

from collections.abc import Iterable

import numpy as np
from pydantic import Field, model_validator

from components.domain import ContractBroken, Doubles, Floats
from components.frozen import Frozen
from components.ingest.amount_scale import AmountScale
from components.ingest.source import OutcomeColumn, Scalar, Source


class RewardRule(Frozen):
    """One kind of outcome, and which of its values are reward 1; without a rule the value is the reward.

    Attributes
    ----------
    amounts : the value is an amount on this scale: a reward is any amount above 0, and its grade the amount.
    attribution : seconds after which an impression without outcome counts as reward 0; None: its
        absence stays unknown.
    measured : rules of other kinds of outcomes, which are taken down and not learned from.
    """

    kind: str
    at_least: float | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    amounts: AmountScale | None = None
    attribution: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    measured: tuple["RewardRule", ...] = ()

    @model_validator(mode="after")
    def _at_most_one_rule(self) -> "RewardRule":
        rules = [r for r in (self.at_least, self.equals, self.one_of, self.amounts) if r is not None]
        if len(rules) > 1:
            raise ValueError(
                f"outcome has {len(rules)} rules; at most one of at_least, equals, one_of, amounts is allowed"
            )
        return self

    @classmethod
    def of(cls, source: Source) -> "RewardRule":
        """The rule of a source."""
        beside = tuple(cls.by(other, source.attribution) for other in source.measured)
        return cls.by(source.outcome, source.attribution).model_copy(update={"measured": beside})

    @classmethod
    def by(cls, outcome: OutcomeColumn, attribution: float | None = None) -> "RewardRule":
        """The rule of an outcome's description."""
        said = {name: getattr(outcome, name) for name in ("kind", "at_least", "equals", "one_of", "amounts")}
        return cls(**said, attribution=attribution)

    def reward(self, kind: str, value: Scalar) -> float:
        """Reward of an outcome, in [0, 1].

        >>> RewardRule(kind="rating", at_least=8).reward("rating", 9)
        1.0

        Raises
        ------
        ContractBroken
            For another kind of outcome, or a value the rule cannot judge.
        """
        if kind != self.kind:
            return self.beside(kind).reward(kind, value)
        if self.equals is not None or self.one_of is not None:
            allowed = (self.equals,) if self.one_of is None else self.one_of
            return float(value in allowed or str(value) in {str(a) for a in allowed})
        number = _number(value)
        if self.at_least is not None:
            return float(number >= self.at_least)
        if self.amounts is not None:
            return float(_on_scale(number, self.amounts) > 0)
        if not 0 <= number <= 1:
            raise ContractBroken(f"outcome value is {number:g}; allowed is a reward from 0 to 1")
        return number

    def beside(self, kind: str) -> "RewardRule":
        """The rule of another kind of outcome that is measured.

        Raises
        ------
        ContractBroken
            For a kind that is not.
        """
        for rule in self.measured:
            if rule.kind == kind:
                return rule
        also = f" and takes down {', '.join(r.kind for r in self.measured)}" if self.measured else ""
        raise ContractBroken(f"outcome kind is {kind!r}; this generation learns from {self.kind!r} alone{also}")

    def rewards(self, values: Iterable[Scalar]) -> list[float]:
        """Rewards of many values; each distinct one is judged once."""
        known: dict[tuple[type, Scalar], float] = {}
        keys = [(type(value), value) for value in values]
        for kind, value in dict.fromkeys(keys):
            known[kind, value] = self.reward(self.kind, value)
        return [known[key] for key in keys]

    def grade(self, value: Scalar, told: float | None) -> float | None:
        """How strong an outcome was: what the rule compares, else what the caller says; None where neither is there.

        >>> RewardRule(kind="rating", at_least=8).grade(9, None), RewardRule(kind="click", equals=1).grade(1, None)
        (9.0, None)
        """
        if self.amounts is not None:
            return _on_scale(_number(value), self.amounts)
        return told if self.at_least is None else _number(value)

    def earned(self, reward: Floats | Doubles, grade: Floats | Doubles) -> Doubles:
        """(n,) what n matured rows earned, which the gate judges: the reward, or the amount in its unit.

        >>> rule = RewardRule(kind="purchase", amounts=AmountScale(unit="EUR"))
        >>> rule.earned(np.array([1.0, 0.0]), np.array([12.5, np.nan])).tolist()
        [12.5, 0.0]
        """
        return np.asarray(reward, np.float64) if self.amounts is None else self.amounts.amounts(reward, grade)

    def earned_by(self, reward: float, grade: float | None) -> float:
        """`earned` of one outcome."""
        told = float("nan") if grade is None else grade
        return float(self.earned(np.array([reward]), np.array([told]))[0])

    @property
    def value_range(self) -> tuple[float, float]:
        """Least and most that one position can earn."""
        return (0.0, 1.0 if self.amounts is None else self.amounts.most)

    @property
    def unit(self) -> str:
        """What is earned is told in: the unit of amounts, or plain reward."""
        return "reward" if self.amounts is None else self.amounts.unit


def _on_scale(number: float, scale: AmountScale) -> float:
    if not scale.holds(number):
        raise ContractBroken(f"outcome value is {number:g}; allowed is {scale.allowed}")
    return number - scale.low


def _number(value: Scalar) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise ContractBroken(f"outcome value is {value!r}; allowed is a finite number")
    return number
