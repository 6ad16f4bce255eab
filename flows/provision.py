"""What the deployments need of a Prefect server beside a work pool: an automation that ends runs whose process is gone.

``prefect.yaml`` calls it when it deploys. Doing it again changes nothing.
"""

from datetime import timedelta

from prefect.automations import AutomationCore
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

GONE = "evercurrent: end runs whose process is gone"
BEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
SILENCE = timedelta(minutes=9)
"""Three heartbeats as often as Prefect sends them (PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 180 s)."""


def provision() -> dict[str, str]:
    """Make the automation if it is not there; a step of a deployment returns what it made."""
    with get_client(sync_client=True) as client:
        if not client.read_automations_by_name(GONE):
            client.create_automation(_ends_what_is_gone())
    return {"automation": GONE}


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
