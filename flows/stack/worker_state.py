"""What the server knows of the pool: whether its worker reports, and whether it takes runs."""

from datetime import UTC, datetime

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Worker, WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.provision import POOL
from flows.stack.worker import worker_name


def has_reported(api: str, since: float) -> bool:
    """Whether this machine's worker has told the server of itself since an instant, seconds since 1970."""
    try:
        heard = last_heard(api)
    except (ObjectNotFound, httpx.HTTPError):
        return False
    return heard is not None and heard >= datetime.fromtimestamp(since, UTC)


def last_heard(api: str) -> datetime | None:
    """When this machine's worker last told the server of itself; None if never."""
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        workers: list[Worker] = client.read_workers_for_work_pool(POOL)
    return next((worker.last_heartbeat_time for worker in workers if worker.name == worker_name()), None)


def read_pool(api: str) -> WorkPool | None:
    """The pool, or None if nothing was deployed yet."""
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        try:
            return client.read_work_pool(POOL)
        except ObjectNotFound:
            return None
