"""``PUT`` and ``DELETE`` of ``/items/{id}`` and ``/users/{id}``: the catalogue, told while the service runs.

Each is written to the decision log like a decision, and on the disk before it is answered; the process that was asked
serves accordingly from its answer on, the others within a tick, and the next ingest takes it into the warehouse.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento.schemas import CatalogueResponse, ForgottenResponse, answer, refuse, sound_id
from components.domain import ContractBroken, Transient
from components.feature_spec import Field, FieldKind, FieldOf
from components.ingest.log_lines import ForgetLine, ItemLine, UserLine, user_digest

if TYPE_CHECKING:
    from bento.service import Evercurrent

Attributes = dict[str, object]
Entity = ItemLine | UserLine
MOST = 64
"""Values of one attribute, at most."""


def catalogue_routes(service: "Callable[[], Evercurrent]", clock: Callable[[], int]) -> list[Route]:
    """Routes of the catalogue."""

    def told(make: Callable[[Request, str], Awaitable[Entity]]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            who = service()
            if who.champion.live is None:
                return refuse(503, str(who.champion.fault))
            try:
                line = await make(request, sound_id(request.path_params["id"]))
                await who.change(line)
            except (ContractBroken, ValueError) as error:
                return refuse(400, str(error))
            except Transient as error:
                return refuse(503, str(error))
            return answer(_changed(who, line))

        return handle

    async def put_item(request: Request, item_id: str) -> ItemLine:
        return ItemLine(item_id, clock(), await _attributes(request, FieldOf.ITEM))

    async def delete_item(_: Request, item_id: str) -> ItemLine:
        return ItemLine(item_id, clock(), {}, hidden=True)

    async def put_user(request: Request, user_id: str) -> UserLine:
        return UserLine(user_id, clock(), await _attributes(request, FieldOf.USER))

    async def delete_user(request: Request) -> Response:
        who = service()
        live = who.champion.live
        if live is None:
            return refuse(503, str(who.champion.fault))
        try:
            user_id, at = sound_id(request.path_params["id"]), clock()
            await asyncio.to_thread(live.reach)
            live.read()
            opened = live.open_impressions(user_id)
            await who.change(ForgetLine(user_digest(user_id), at, user_id))
        except (ContractBroken, ValueError) as error:
            return refuse(400, str(error))
        except Transient as error:
            return refuse(503, str(error))
        return answer(ForgottenResponse(id=user_id, forgotten_at=at, open_impressions=opened))

    async def _attributes(request: Request, of: FieldOf) -> Attributes:
        live = service().champion.live
        fields = () if live is None else live.served.encoder.spec.fields
        return sound_attributes(await request.body(), {f.name: f for f in fields if f.of is of and f.name != of.value})

    return [
        Route("/items/{id:path}", told(put_item), methods=["PUT"]),
        Route("/items/{id:path}", told(delete_item), methods=["DELETE"]),
        Route("/users/{id:path}", told(put_user), methods=["PUT"]),
        Route("/users/{id:path}", delete_user, methods=["DELETE"]),
    ]


def sound_attributes(body: bytes, fields: Mapping[str, Field]) -> Attributes:
    """The attributes of a body, by the names and kinds of a generation's fields.

    Raises
    ------
    ContractBroken
        If the body is no such object; one line.
    """
    try:
        found = msgspec.json.decode(body or b"{}", type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ContractBroken(f"the body is no JSON object of attributes: {error}") from None
    for name, value in found.items():
        if name not in fields:
            known = f"allowed are {', '.join(fields)}" if fields else "this generation uses none"
            raise ContractBroken(f"attributes have {name!r}; {known}")
        if value is not None and not _fits(fields[name].kind, value):
            what = {FieldKind.MULTI: f"a list of at most {MOST} texts", FieldKind.NUMERIC: "a number"}
            raise ContractBroken(f"attribute {name!r}: allowed is {what.get(fields[name].kind, 'a text or a number')}")
    return {
        name: str(value) if fields[name].kind in (FieldKind.ID, FieldKind.CATEGORICAL) else value
        for name, value in found.items()
        if value is not None
    }


def _fits(kind: FieldKind, value: object) -> bool:
    if kind is FieldKind.MULTI:
        return isinstance(value, list) and len(value) <= MOST and all(isinstance(one, str) for one in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number or (kind is not FieldKind.NUMERIC and isinstance(value, str))


def _changed(who: "Evercurrent", line: Entity) -> CatalogueResponse:
    live = who.champion.live
    assert live is not None  # whoever answered once answers until the next takes over
    name = line.item_id if isinstance(line, ItemLine) else line.user_id
    catalogue = live.served.catalogue
    hidden = 0 if catalogue is None or catalogue.hidden is None else int(catalogue.hidden.sum())
    return CatalogueResponse(
        id=name, generation=live.served.generation, servable_items=len(live.served.servable) - hidden
    )
