"""The lines of the service's decision log, as the service writes them and ingest reads them: one JSON object each.

`at` is microseconds UTC. A request whose `eligible` is null was answered from the servable items of its generation,
which a line of that type names once per file.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from components.frozen import Frozen

Finite = Annotated[float, Field(allow_inf_nan=False)]


class ShownLine(Frozen):
    """One impression of a slate: `score` is the compensated logit the policy ranked by, `logit` the model's own."""

    impression_id: str
    item_id: str
    position: int = Field(ge=0)
    propensity: Finite
    score: Finite
    logit: Finite


class RequestLine(Frozen):
    """A request and the slate that answered it."""

    type: Literal["request"] = "request"
    request_id: str
    user_id: str
    at: int
    generation: int
    context: dict[str, JsonValue]
    eligible: tuple[str, ...] | None
    slate: tuple[ShownLine, ...]


class OutcomeLine(Frozen):
    """What a user did: `value` is what the caller sent, `reward` what the generation's rule made of it.

    `grade` says how strong the outcome was; None: unknown.
    """

    type: Literal["outcome"] = "outcome"
    impression_id: str
    kind: str
    value: JsonValue
    reward: Finite
    grade: Finite | None = None
    at: int


class ServableLine(Frozen):
    """The items that a generation may serve."""

    type: Literal["servable"] = "servable"
    generation: int
    items: tuple[str, ...]


LogLine = RequestLine | OutcomeLine | ServableLine
_LINE: TypeAdapter[LogLine] = TypeAdapter(Annotated[LogLine, Field(discriminator="type")])


def parse_line(raw: bytes) -> LogLine:
    """The line of one JSON text.

    Raises
    ------
    pydantic.ValidationError
        If it is none of them.
    """
    return _LINE.validate_json(raw)
