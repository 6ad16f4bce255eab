"""What is read from the service with GET: who answers, the reports of that generation, and the site of the home."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from bento.schemas import GenerationResponse, ReportsResponse, answer, refuse
from components.domain import iso

if TYPE_CHECKING:
    from bento.service import Evercurrent

FRONT = "index.html"
SERVED = (".html", ".js", ".css")
"""What of the site is served: its pages, and what Evidently's load; nothing else that lies there."""
PAGE_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}


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
                degraded=service().log.degraded,
                canary=None if canary is None else canary.pointer.generation,
                canary_share=None if canary is None else canary.pointer.share,
                canary_outcomes_learned=None if canary is None else canary.live.learned,
                canary_fault=canaries.fault,
            )
        )

    async def reports(request: Request) -> Response:
        """GET /reports: the names of who answers' reports; a browser is led to the front page of the site."""
        who = service().champion
        front = site_page(who.site, FRONT)
        if front is not None and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"reports/{FRONT}")  # relative: whatever a proxy calls this place
        if who.live is None:
            return refuse(503, str(who.fault))
        told = None if front is None else f"/reports/{FRONT}"
        return answer(ReportsResponse(generation=who.live.served.generation, reports=list(who.reports()), site=told))

    async def report(request: Request) -> Response:
        """GET /reports/{path}: a page of the site, or a report of who answers."""
        who, path = service().champion, request.path_params["path"]
        found = site_page(who.site, path) or who.reports().get(path)
        if found is None:
            return refuse(404, f"no page {path!r}; GET /reports names them, and `evercurrent reports` draws the site")
        return FileResponse(found, headers=PAGE_HEADERS)

    return [
        Route("/generation", generation),
        Route("/reports", reports),
        Route("/reports/{path:path}", report),
    ]


def site_page(site: Path, path: str) -> Path | None:
    """The page of the site at `path`, or what such a page loads; None for anything else, whatever the path tries."""
    if not path or "\0" in path or not path.endswith(SERVED):
        return None
    root, found = site.resolve(), (site / path).resolve()
    return found if found.is_relative_to(root) and found.is_file() else None
