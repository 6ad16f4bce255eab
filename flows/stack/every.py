"""All of what a server tells page by page: with many homes there is more than one page."""

from collections.abc import Callable
from typing import TypeVar

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.responses import DeploymentResponse, GlobalConcurrencyLimitResponse

T = TypeVar("T")
PAGE = 200
"""As many as Prefect's server hands out at once."""


def every(page: Callable[[int], list[T]]) -> list[T]:
    """All entries, where `page` tells those from an offset on.

    >>> numbers = list(range(450))
    >>> every(lambda offset: numbers[offset : offset + PAGE]) == numbers
    True
    """
    found: list[T] = []
    while len(last := page(len(found))) == PAGE:
        found += last
    return found + last


def every_deployment(client: SyncPrefectClient, pool: str) -> list[DeploymentResponse]:
    """The deployments of a work pool."""
    ours = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    return every(lambda offset: client.read_deployments(work_pool_filter=ours, limit=PAGE, offset=offset))


def every_limit(client: SyncPrefectClient) -> list[GlobalConcurrencyLimitResponse]:
    """All limits of the server."""
    return every(lambda offset: client.read_global_concurrency_limits(limit=PAGE, offset=offset))
