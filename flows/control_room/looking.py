"""Whether somebody can see what a run says: nobody looks at a server that ends with the command."""

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import get_current_settings

from flows.stack.beside import is_ours


def somebody_looks() -> bool:
    """Whether the run talks to a server that stays, the one named by ``PREFECT_API_URL``.

    Without one a server is started for the length of the command: what would be announced there costs time and is seen
    by nobody.
    """
    return get_current_settings().api.url is not None and not is_ours()


def run_around() -> FlowRun | None:
    """The flow run that this code is part of."""
    context = FlowRunContext.get()
    return None if context is None else context.flow_run


def deployed() -> bool:
    """Whether a deployment made the run, and not a person at a terminal or another flow."""
    run = run_around()
    return run is not None and run.deployment_id is not None
