"""The decision log against the bundles, on a schedule: what cannot be computed again can judge nobody."""

from pathlib import Path

from prefect import flow

from components.domain import ContractBroken
from flows.control_room.failed import signed, tell_and_notify_failure
from flows.control_room.hearing import hear
from flows.control_room.markdown import text
from flows.control_room.name import call
from flows.control_room.shown import Markdown, send
from flows.stages.self_check import self_check as check
from flows.workspace import enter


@flow(name="self-check", on_running=[hear], on_failure=[tell_and_notify_failure])
def self_check(home: str = ".evercurrent", requests: int = 1000, tick_seconds: float = 0.25) -> str:
    """Compute the logged propensities of the latest requests again; reading changes nothing.

    Parameters
    ----------
    tick_seconds : as the service has it.

    Returns
    -------
    One line: how many came out again.

    Raises
    ------
    ContractBroken
        If some do not, lines are damaged, or 1 / propensity does not fit the eligible sets.
    """
    workspace = enter(Path(home))
    found = check(workspace, requests, tick_seconds)
    told = f"{text(found.said)}\n\n```json\n{found.model_dump_json(indent=1)}\n```"
    send(lambda: [Markdown("self-check", found.said, told)], "self-check")
    if not found.passed:
        broken = ContractBroken(
            f"the decision log in {workspace.decisions} cannot be judged by weighting: {found.said}"
        )
        signed(broken, "self-check")
        raise broken
    call(f"{found.requests} requests come out again")
    return found.said
