"""What a release has to improve, and what it must not harm: the settings of ``[metrics]``."""

from typing import Literal

from pydantic import Field, model_validator

from components.frozen import Frozen

Measure = Literal["outcome", "variety", "new_items", "exposure"]


class Guardrail(Frozen):
    """One metric that a release must not harm.

    Attributes
    ----------
    name : what pages and reasons call it.
    measures : per request, the outcomes of another `kind` that the source's description has under ``measured``
        (``outcome``), or the positions whose item brings a value of `field` that the slate has not shown above it
        (``variety``), whose item was first shown within `days` (``new_items``), whose item has `value` in `field`
        (``exposure``: a group's share of what people see).
    margin : share of the champion's value by which it may fall.
    """

    name: str = Field(min_length=1, max_length=40)
    measures: Measure
    kind: str | None = None
    field: str | None = None
    value: str | None = None
    days: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    margin: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _says_what_it_measures(self) -> "Guardrail":
        needed: dict[Measure, tuple[str, ...]] = {
            "outcome": ("kind",),
            "variety": ("field",),
            "new_items": (),
            "exposure": ("field", "value"),
        }
        for name in needed[self.measures]:
            if getattr(self, name) is None:
                raise ValueError(f"a guardrail that measures {self.measures} needs {name}")
        return self


class MetricsSettings(Frozen):
    """What a release has to improve, and what it must not harm."""

    improve: str = "reward"
    """What a release has to improve: the source's `reward`, or a kind of outcome that the source has `measured`. The
    model goes on learning the reward; the gate judges by the other, without a model of it."""
    guardrails: tuple[Guardrail, ...] = ()
    """Metrics that must not fall by more than their margin; each holds a release by itself."""

    @model_validator(mode="after")
    def _names_differ(self) -> "MetricsSettings":
        names = [g.name for g in self.guardrails]
        if len(set(names)) < len(names):
            raise ValueError(f"guardrails repeat a name: {sorted(n for n in set(names) if names.count(n) > 1)}")
        return self
