"""The run of a deployment that this process works on, if it is one's."""

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

WORKER = "prefect.worker.name"
"""The label that says which worker started a run."""

LEASE = "evercurrent.lease"
"""The label that says by which lease a run holds the warehouse's slot: whoever finds the run dead gives it back."""


def deployed_run() -> FlowRun | None:
    """None on the command line, in a test, and inside another flow: only the outermost run is a deployment's."""
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    return None if run is None or run.deployment_id is None else run
