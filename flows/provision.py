"""What the deployments need of a Prefect server: a work pool, the slot of the warehouse, and an end for dead runs.

``prefect.yaml`` calls it when it deploys; on a server that has no pool yet, ``python -m flows.provision`` goes first
(``evercurrent up`` does both), because ``prefect deploy`` asks for the pool before it calls anybody. Doing it again
changes nothing.
"""

import os
from datetime import timedelta
from pathlib import Path

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows.stack.deployments import TURNS
from flows.stack.environment import HOMES
from flows.stack.every import every_deployment
from flows.stack.homes import Homes, read_homes

POOL = "evercurrent"
"""The work pool of every deployment in ``prefect.yaml``."""

WAREHOUSE = "evercurrent-warehouse"
"""The global concurrency limit that runs which write take: one slot per home, whose DuckDB lets one process write."""

GONE = "evercurrent: end runs whose process is gone"
BEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
SILENCE = timedelta(minutes=9)
"""Three heartbeats as often as Prefect sends them (PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 180 s)."""


def provision() -> dict[str, str]:
    """Make what is not there, for the homes of ``EVERCURRENT_HOMES``, without it for one home.

    A step of a deployment returns what it made, and the home that deployments work in.
    """
    file = os.environ.get(HOMES)
    provide(read_homes(Path(file)) if file else None)
    home = Path(os.environ.get("EVERCURRENT_HOME") or ".evercurrent")
    return {"automation": GONE, "pool": POOL, "limit": WAREHOUSE, "home": str(home.resolve())}


def provide(many: Homes | None) -> None:
    """Make what is not there, for many homes or (None) for one."""
    with get_client(sync_client=True) as client:
        _pool(client)
        client.upsert_global_concurrency_limit_by_name(WAREHOUSE, 1 if many is None else len(many.homes))
        if many is not None:
            _turns(client, many.turns_at_once)
        if not client.read_automations_by_name(GONE):
            client.create_automation(_ends_what_is_gone())
        _close_parameters(client)


def _pool(client: SyncPrefectClient) -> None:
    """A pool of processes on the worker's machine; one that is there keeps what people changed about it."""
    template = ProcessWorker.get_default_base_job_template()
    wanted = WorkPoolCreate(
        name=POOL,
        type=ProcessWorker.type,
        description="One run at a time per deployment; made by evercurrent.",
        base_job_template=template,
    )
    try:
        client.create_work_pool(wanted)
    except ObjectAlreadyExists:
        return


def _turns(client: SyncPrefectClient, at_once: int) -> None:
    """The queue in which the turns of many homes stand: Prefect hands out what is due longest, so many at once."""
    try:
        queue = client.read_work_queue_by_name(TURNS, POOL)
    except ObjectNotFound:
        client.create_work_queue(TURNS, concurrency_limit=at_once, work_pool_name=POOL)
        return
    if queue.concurrency_limit != at_once:
        client.update_work_queue(queue.id, concurrency_limit=at_once)


def _close_parameters(client: SyncPrefectClient) -> None:
    """Let the server refuse a parameter that no flow takes: its run would end without a word about what was wrong."""
    for deployment in every_deployment(client, POOL):
        schema = deployment.parameter_openapi_schema or {}
        if schema.get("additionalProperties", True):
            closed = {**schema, "additionalProperties": False}
            client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=closed))


def _ends_what_is_gone() -> AutomationCore:
    """A run that beat once and neither beats nor ends is Crashed; it would stay Running for good, with its slot."""
    return AutomationCore(
        name=GONE,
        trigger=EventTrigger(
            after={BEAT},
            expect={BEAT, *ENDS},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="its process sent no heartbeat any more")],
    )


if __name__ == "__main__":
    provision()
