"""An estimate: what every part of a judgement is told in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value with its interval: expected reward per request; nan bounds where there is no honest one.

    `ess` in requests; `interval` names the kind of interval, ``none`` for a value that is
    only the model's word.
    """

    name: str
    value: float
    lower: float
    upper: float
    ess: float
    interval: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Estimate":
        """The estimate of a JSON document, in which a null is nan."""
        value, lower, upper, ess = (
            math.nan if told[name] is None else told[name] for name in ("value", "lower", "upper", "ess")
        )
        return cls(told["name"], value, lower, upper, ess, told["interval"])
