"""What BentoML 1.4.39 needs before it serves well; called once where the service is defined.

Each has its measured reason; remove it when the pinned BentoML no longer needs it.
"""

import asyncio
import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

ENVIRONMENT = {
    # BentoML posts usage on build and serve; it understands "true" and ignores "1".
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    # Spans for nobody cost about a third of the throughput (2,000 instead of 1,300 requests/s).
    "OTEL_SDK_DISABLED": "true",
    # A slate of 100 items is too small to share: more threads per worker only wait for each other.
    "OMP_NUM_THREADS": "1",
}


MEMORY_DISK = Path("/dev/shm")


def install() -> None:
    """Quiet environment, unless it is set otherwise, and a timeout that lets go of finished requests."""
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _count_in_memory()
    setattr(TimeoutMiddleware, "__call__", _call_with_timeout)  # noqa: B010 - a patch, and meant to look like one


def _count_in_memory() -> None:
    """Metrics are counted in mapped files: on a full disk a mapped page kills the process in mid-answer (SIGBUS).

    So they do not share the disk of the decision log. A directory that the supervisor chose is kept.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer

    chosen = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if chosen is None and MEMORY_DISK.is_dir():
        chosen = tempfile.mkdtemp(prefix="evercurrent-metrics-", dir=MEMORY_DISK)
        atexit.register(shutil.rmtree, chosen, ignore_errors=True)
    if chosen is not None:
        BentoMLContainer.prometheus_multiproc_dir.set(chosen)


async def _call_with_timeout(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """As BentoML's own, but the timer is cancelled when the answer is under way.

    BentoML keeps each finished request alive until its timer fires: measured at 1,000 requests/s
    the process grew from 99 to 313 MB, with garbage collection pauses of up to 0.9 s.
    """
    if scope["type"] not in ("http", "websocket"):
        await self.app(scope, receive, send)
        return
    loop = asyncio.get_running_loop()
    started: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(self.timeout, self._set_timer_out, started)

    async def send_and_note(message: Message) -> None:
        if not started.done():
            started.set_result(None)
        await send(message)

    call = asyncio.ensure_future(self.app(scope, receive, send_and_note))
    try:
        await asyncio.wait((started, call), return_when=asyncio.FIRST_COMPLETED)
        if started.done() and started.exception() is not None and call.cancel():
            late = JSONResponse({"error": f"no answer within {self.timeout} s; try again later"}, status_code=504)
            await late(scope, receive, send)
            return
        await call
    finally:
        timer.cancel()
