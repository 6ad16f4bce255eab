"""The description of the API, made of the types that read and write the bodies, with every status that is answered."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bento.schemas import (
    CatalogueResponse,
    Fault,
    ForgottenResponse,
    GenerationResponse,
    OutcomeRequest,
    OutcomeResponse,
    OutcomesRequest,
    OutcomesResponse,
    RankBatchRequest,
    RankBatchResponse,
    RankRequest,
    RankResponse,
    ReportsResponse,
)

PATH = "/docs.json"
NEEDED = {
    "/rank": "rank",
    "/rank_batch": "rank",
    "/outcome": "outcome",
    "/outcomes": "outcome",
    "/generation": "rank",
    "/items": "catalogue",
    "/users": "catalogue",
    "/reports": "admin",
    "/metrics": "admin",
}
"""Path, or the first part of one -> scope; what is named here alone is guarded: the rest, health and the description
of the API, tells nothing."""


def scope_of(path: str) -> str | None:
    """The scope that a path needs, None for one that anybody may ask.

    >>> scope_of("/reports/drift.html"), scope_of("/livez")
    ('admin', None)
    """
    return NEEDED.get("/" + path.split("/")[1]) if path.startswith("/") else None


REFUSALS = {
    400: "the body does not fit: what was received, what is allowed",
    401: "no bearer token that is known",
    403: "the token lacks the scope, or there are no tokens and the caller is another machine",
    404: "nobody was shown this impression within the retention, or there is no such report",
    413: "the body is larger than EVERCURRENT_BODY_BYTES",
    503: "no champion yet, or the disk takes no line; Retry-After says when to try again",
    504: "no answer within ten seconds",
}
BODIES: dict[str, tuple[type[BaseModel], type[BaseModel], dict[str, object], tuple[int, ...]]] = {
    "/rank": (
        RankRequest,
        RankResponse,
        {"user_id": "7", "eligible": ["p1", "p2", "p3"], "slate_size": 2, "exclude": ["p3"]},
        (400, 401, 403, 413, 503, 504),
    ),
    "/rank_batch": (
        RankBatchRequest,
        RankBatchResponse,
        {"requests": [{"user_id": "7", "slate_size": 2}, {"user_id": "8", "slate_size": 2}]},
        (400, 401, 403, 413, 503, 504),
    ),
    "/outcome": (
        OutcomeRequest,
        OutcomeResponse,
        {"impression_id": "8c3e0679926c40999a903b91773c9f7d-0", "kind": "click", "value": 1},
        (400, 401, 403, 404, 413, 503, 504),
    ),
    "/outcomes": (
        OutcomesRequest,
        OutcomesResponse,
        {"outcomes": [{"impression_id": "8c3e0679926c40999a903b91773c9f7d-0", "kind": "click", "value": 1}]},
        (400, 401, 403, 413, 503, 504),
    ),
}
PLAIN = {
    "/livez": (200, 503),
    "/readyz": (200, 503),
    "/healthz": (200, 503),
    "/metrics": (200, 401, 403),
}


@cache
def document(version: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    models: list[type[BaseModel]] = [GenerationResponse, ReportsResponse, CatalogueResponse, ForgottenResponse, Fault]
    for asked, made, _, _ in BODIES.values():
        models += [asked, made]
    _, schemas = models_json_schema([(m, "validation") for m in models], ref_template="#/components/schemas/{model}")
    paths: dict[str, Any] = {path: {"post": _posted(path)} for path in BODIES}
    paths["/generation"] = {
        "get": {
            "summary": "Who answers now.",
            "operationId": "generation",
            "security": [{"token": ["rank"]}, {}],
            "responses": {"200": _json("who answers", GenerationResponse)} | _refused((401, 403, 503)),
        }
    }
    for kind in ("item", "user"):
        paths[f"/{kind}s/{{id}}"] = {method: _changing(kind, method) for method in ("put", "delete")}
    paths["/reports"] = {
        "get": {
            "summary": "Names of the reports of the generation that answers; a browser is led to the site of the home.",
            "operationId": "reports",
            "security": [{"token": ["admin"]}, {}],
            "responses": {
                "200": _json("its reports", ReportsResponse),
                "307": {"description": "to the front page of the site, for a caller that accepts HTML"},
            }
            | _refused((401, 403, 503)),
        }
    }
    paths["/reports/{path}"] = {
        "get": {
            "summary": "A page of the site of the home, or a report (HTML, JSON) of the generation that answers.",
            "operationId": "report",
            "security": [{"token": ["admin"]}, {}],
            "parameters": [{"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "the page"}} | _refused((401, 403, 404)),
        }
    }
    for path, statuses in PLAIN.items():
        told = {str(s): {"description": "as it says"} if s in (200, 503) else _refused((s,))[str(s)] for s in statuses}
        paths[path] = {"get": {"operationId": path[1:], "responses": told}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Evercurrent", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _posted(path: str) -> dict[str, Any]:
    asked, made, example, refused = BODIES[path]
    return {
        "summary": (asked.__doc__ or "").splitlines()[0],
        "operationId": path[1:],
        "security": [{"token": [scope_of(path)]}, {}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference(asked), "example": example}},
        },
        "responses": {"200": _json((made.__doc__ or "").splitlines()[0], made)} | _refused(refused),
    }


def _changing(kind: str, method: str) -> dict[str, Any]:
    said = {"put": f"What an {kind} is: all of its attributes.", "delete": "This item is not served from now on."}
    made: type[BaseModel] = CatalogueResponse
    if (kind, method) == ("user", "delete"):
        said["delete"] = "This user is forgotten: whoever comes back under the id is somebody new."
        made = ForgottenResponse
    told: dict[str, Any] = {
        "summary": said[method].replace("an user", "a user"),
        "operationId": f"{method}_{kind}",
        "security": [{"token": ["catalogue"]}, {}],
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}],
        "responses": {"200": _json("in force", made)} | _refused((400, 401, 403, 413, 503)),
    }
    if method == "put":
        schema = {"type": "object", "additionalProperties": True}
        told["requestBody"] = {"content": {"application/json": {"schema": schema, "example": {}}}}
    return told


def _refused(statuses: tuple[int, ...]) -> dict[str, Any]:
    return {str(status): _json(REFUSALS[status], Fault) for status in statuses}


def _json(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _reference(model)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
