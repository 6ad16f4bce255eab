"""What a scheduled run says of itself in the Prefect UI when it is done: its name, and an event to act on."""

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.events import emit_event

from flows.turn import TurnRecord


def told(record: TurnRecord) -> TurnRecord:
    """Rename the run of a deployment to what it decided, and send ``evercurrent.turn.<verdict>``; the same record.

    A run that no deployment made says nothing: who called it has the record.
    """
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if run is None or run.deployment_id is None:
        return record
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, name=f"{record.cutoff} {record.verdict} generation {record.generation}")
    emit_event(
        event=f"evercurrent.turn.{record.verdict.lower()}",
        resource={"prefect.resource.id": f"evercurrent.generation.{record.generation}"},
        payload={"cutoff": record.cutoff, "champion": record.champion, "reasons": list(record.reasons)},
    )
    return record
