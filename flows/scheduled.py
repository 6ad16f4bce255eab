"""When a run was meant to start: the instant that ends its window, whenever its process comes to run.

A run that a deployment's schedule made ends its window at the latest instant that the schedule has reached. So after an
outage the first run that starts catches up with everything, and those that were late beside it find nothing to do.
"""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from flows.deployed import deployed_run

PAGE = 200
"""Runs that are looked through for the latest that the schedule made: runs asked for by people stand between them."""


def scheduled_at(now: datetime) -> datetime:
    """The instant that ends this run's window, UTC: see above; `now` outside a deployment.

    A run that a person asked for ends its window when it was asked for.
    """
    run, meant = deployed_run(), meant_at(now)
    if run is None or run.deployment_id is None or not by_schedule(run):
        return min(meant, now)
    return max(meant, _latest(run.deployment_id, now))


def meant_at(now: datetime) -> datetime:
    """The instant that this run was meant to start, UTC; `now` outside a deployment.

    A turn that another run finished since then is what this run was for: what became due later has a run of its own,
    which waits behind those of other homes.
    """
    run = deployed_run()
    return now if run is None or run.expected_start_time is None else plain(run.expected_start_time)


def _latest(deployment: UUID, now: datetime) -> datetime:
    """The latest instant by now for which the schedule of a deployment made a run, whatever came of that."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
            flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(before_=now)),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=PAGE,
        )
    due = [plain(run.expected_start_time) for run in runs if by_schedule(run) and run.expected_start_time]
    return max(due, default=datetime.fromtimestamp(0, UTC))


def by_schedule(run: FlowRun) -> bool:
    """Whether the server made the run because a schedule said so, and not a person."""
    return bool(run.auto_scheduled)


def plain(instant: datetime) -> datetime:
    """In UTC and of the standard library's own type: Prefect's instants count otherwise."""
    return datetime.fromisoformat(instant.isoformat()).astimezone(UTC)
