"""Prefect's own history: finished flow runs that are old, with their task runs, logs and artifacts, through its API."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from components.publish.retention import RetentionSettings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

PAGE = 200
"""Flow runs asked for at once, the most that the server gives."""


def old_runs(now: datetime, settings: RetentionSettings) -> list[UUID]:
    """Finished flow runs that ended `runs_days` before `now` or earlier, the newest `runs` left out; oldest last."""
    before = now - timedelta(days=settings.runs_days)
    with _client() as client:
        return [run.id for run in _finished(client, settings.runs) if run.end_time and run.end_time < before]


def forget_runs(runs: list[UUID]) -> None:
    """Delete flow runs: the server takes task runs and logs with them, artifacts are told one by one. Repeatable."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
    from prefect.exceptions import ObjectNotFound

    with _client() as client:
        for run in runs:
            made = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
            for artifact in client.read_artifacts(artifact_filter=made):
                client.delete_artifact(artifact.id)
            try:
                client.delete_flow_run(run)
            except ObjectNotFound:
                continue  # another prune was faster


def _client() -> "SyncPrefectClient":
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _finished(client: "SyncPrefectClient", skip: int) -> "Iterator[FlowRun]":
    """Runs that have ended, the latest first, from the one after `skip` on; runs that go on are not among them."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import TERMINAL_STATES
    from prefect.client.schemas.sorting import FlowRunSort

    ended = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES))))
    while True:
        page = client.read_flow_runs(flow_run_filter=ended, sort=FlowRunSort.END_TIME_DESC, limit=PAGE, offset=skip)
        yield from page
        if len(page) < PAGE:
            return
        skip += PAGE
