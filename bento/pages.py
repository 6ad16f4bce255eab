"""What is read from the service with GET: who answers, and the reports of that generation."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bento.schemas import GenerationResponse, ReportsResponse, answer, refuse
from components.domain import iso

if TYPE_CHECKING:
    from bento.service import Evercurrent


def pages(service: "Callable[[], Evercurrent]") -> list[Route]:
    """Routes for BentoML to mount: its own endpoints are POST alone."""

    async def generation(_: Request) -> Response:
        """GET /generation: who answers now."""
        who, canaries = service().champion, service().canaries
        live, canary = who.live, canaries.out
        if live is None:
            return refuse(503, str(who.fault))
        served = live.served
        return answer(
            GenerationResponse(
                generation=served.generation,
                cutoff=iso(served.cutoff),
                memory_known_until=iso(live.known_until),
                outcomes_learned=live.learned,
                servable_items=len(served.servable),
                fault=who.fault,
                canary=None if canary is None else canary.pointer.generation,
                canary_share=None if canary is None else canary.pointer.share,
                canary_outcomes_learned=None if canary is None else canary.live.learned,
                canary_fault=canaries.fault,
            )
        )

    async def reports(request: Request) -> Response:
        """GET /reports: their names; GET /reports/{name}: one of them."""
        who, name = service().champion, request.path_params.get("name")
        live = who.live
        if live is None:
            return refuse(503, str(who.fault))
        there = who.reports()
        if name is None:
            return answer(ReportsResponse(generation=live.served.generation, reports=list(there)))
        if name not in there:
            return refuse(404, f"generation {live.served.generation} has no report {name!r}; GET /reports names them")
        return FileResponse(there[name])

    return [
        Route("/generation", generation),
        Route("/reports", reports),
        Route("/reports/{name}", reports),
    ]
