"""What goes over the wire. Bodies are bare JSON objects, and a body that does not fit is one line of text."""

import re
from typing import Annotated, Literal, Self, TypeAlias

import bentoml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from components.frozen import first_fault

Value: TypeAlias = str | int | float | bool
ContextValue: TypeAlias = str | int | float | bool | list[str] | None

ID_BYTES = 256
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _sound_ids(ids: list[str]) -> list[str]:
    """The ids, all of 1 to `ID_BYTES` bytes without control characters; one look at all of them together."""
    if ids and (CONTROL.search("".join(ids)) or not all(ids) or max(map(len, ids)) * 4 > ID_BYTES):
        for one in ids:
            sound_id(one)
    return ids


def sound_id(one: str) -> str:
    """The id, of 1 to `ID_BYTES` bytes without control characters; ValueError otherwise."""
    if not 1 <= len(one.encode()) <= ID_BYTES or CONTROL.search(one):
        raise ValueError(f"an id has 1 to {ID_BYTES} bytes and no control characters")
    return one


_DESCRIBED = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": ID_BYTES, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"},
            {"type": "number"},
        ],
        "description": f"1 to {ID_BYTES} bytes without control characters; a number is read as its text",
    }
)
Id = Annotated[str, AfterValidator(sound_id), _DESCRIBED]
Ids = Annotated[list[Annotated[str, _DESCRIBED]], AfterValidator(_sound_ids)]


class Body(bentoml.IODescriptor):
    """A JSON body.

    BentoML answers a body that does not fit with a page of detail, and logs a traceback per
    request; here `fault` carries the one line instead, and the endpoint answers it.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
    _fault: str | None = PrivateAttr(default=None)

    @property
    def fault(self) -> str | None:
        """Why the body is not usable, or None."""
        return self._fault

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Self:
        """The body, whatever content type it is sent as: it is read as JSON and never as anything else."""
        try:
            return cls.model_validate_json(await request.body())
        except ValidationError as error:
            unusable = cls.model_construct()
            unusable._fault = _one_line(error, cls)
            return unusable


class RankRequest(Body):
    """A call for a slate. Without `eligible` the best of all servable items, and a few others, are eligible."""

    user_id: Id
    slate_size: int = Field(
        strict=True, description="items wanted, 1 to the size of the eligible set", json_schema_extra={"minimum": 1}
    )
    eligible: Ids | None = Field(default=None, description="each item once; left out for all servable items")
    exclude: Ids = Field(default_factory=list, description="items not to be shown, such as what the user just saw")
    filters: dict[str, Ids] = Field(
        default_factory=dict,
        description="attributes that items must have: one of the values, of every field named",
        examples=[{"genre": ["Drama", "Comedy"]}],
    )
    context: dict[str, ContextValue] = Field(default_factory=dict)
    explain: bool = Field(default=False, description="whether every shown item says what its score is made of")


class RankBatchRequest(Body):
    """Calls for several slates; each is answered for itself."""

    requests: list[RankRequest] = Field(min_length=1, max_length=100)


class Explanation(BaseModel):
    """What a score is made of: the model's own logit, and what the memory added, by what it knew; they sum to it."""

    base: float
    memory: dict[str, float]


class ShownItem(BaseModel):
    """One impression: the item, and the probability with which it was put here given the items before it."""

    impression_id: str
    item_id: str
    position: int
    propensity: float
    score: float = Field(description="compensated logit")
    explanation: Explanation | None = None


class RankResponse(bentoml.IODescriptor):
    """A slate, in order."""

    request_id: str
    generation: int
    slate: list[ShownItem]


class Fault(BaseModel):
    """One line: what was received, what is allowed, where to look."""

    error: str


class RankBatchResponse(bentoml.IODescriptor):
    """A slate, or what is wrong, for each call, in their order."""

    answers: list[RankResponse | Fault]


class OutcomeRequest(Body):
    """What the user did about one impression."""

    impression_id: Id
    kind: Id
    value: Value
    grade: float | None = Field(
        default=None, strict=True, description="how strong it was, where the value alone says yes or no"
    )


class OutcomesRequest(Body):
    """What users did about several impressions; each counts for itself."""

    outcomes: list[OutcomeRequest] = Field(min_length=1, max_length=1000)


class OutcomeResponse(bentoml.IODescriptor):
    """`accepted` is false for a repetition, which changes nothing; `reward` is what counts, an amount in its unit."""

    accepted: bool
    reward: float


class OutcomeStatus(BaseModel):
    """What became of one outcome: `refused` with why, `unknown` where nobody was shown the impression."""

    impression_id: str
    status: Literal["accepted", "repeated", "unknown", "refused"]
    reward: float | None = None
    error: str | None = None


class OutcomesResponse(bentoml.IODescriptor):
    """One status per outcome, in their order."""

    outcomes: list[OutcomeStatus]


class GenerationResponse(BaseModel):
    """Who answers now."""

    generation: int
    cutoff: str
    memory_known_until: str = Field(description="outcomes before this instant came with the bundle or its snapshot")
    outcomes_learned: int = Field(description="later outcomes, which this process has learned from the decision log")
    servable_items: int
    fault: str | None = Field(description="why the pointer's generation could not take over, if so")
    degraded: str | None = Field(
        default=None, description="why decisions wait in files of this machine, and outcomes are refused, if so"
    )
    canary: int | None = Field(default=None, description="generation that answers `canary_share` of the users")
    canary_share: float | None = None
    canary_outcomes_learned: int | None = None
    canary_fault: str | None = Field(default=None, description="why a canary that is out answers nobody, if so")


class CatalogueResponse(BaseModel):
    """A change of the catalogue, or of what is known of a user, is on the disk and in force."""

    id: str
    generation: int
    servable_items: int


class ForgottenResponse(BaseModel):
    """A user is forgotten here and on the disk; the next turn of the loop takes it out of everything else.

    `open_impressions` would have taken outcomes; `forgotten_at` in microseconds UTC.
    """

    id: str
    forgotten_at: int
    open_impressions: int


class ReportsResponse(BaseModel):
    """Files under /reports/ of the generation that answers; `site` is the front page of all, if there is one."""

    generation: int
    reports: list[str]
    site: str | None


RETRY_SECONDS = "1"
"""When a caller who was told 503 may try again."""


def answer(content: BaseModel) -> Response:
    """200 with a JSON body; a slate names nothing that was not asked for."""
    spare = isinstance(content, RankResponse | RankBatchResponse)
    return Response(content.model_dump_json(exclude_none=spare), media_type="application/json")


def refuse(status: int, line: str) -> Response:
    """An error of one line."""
    again = {"Retry-After": RETRY_SECONDS} if status == 503 else None
    said = Fault(error=" ".join(line.split())).model_dump_json()
    return Response(said, status, headers=again, media_type="application/json")


def _one_line(error: ValidationError, expected: type[BaseModel]) -> str:
    return f"{first_fault(error, 'body')}; allowed fields are {', '.join(expected.model_fields)}"
