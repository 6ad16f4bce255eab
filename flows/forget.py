"""Forget a user now, instead of with the next turn."""

import time

from components.domain import ContractBroken
from flows.stages.forget import Forgotten, ask_to_forget
from flows.stages.forget import forget as take_out
from flows.turn import described_source
from flows.workspace import Workspace


def forget(workspace: Workspace, user_id: str) -> Forgotten:
    """Take a user out of warehouse and decision log; what is made from now on does not know it.

    Raises
    ------
    ContractBroken
        If the id is empty, or this home holds no log.
    """
    if not user_id:
        raise ContractBroken("the user's id is empty; allowed is one that the log has")
    described_source(workspace)
    with workspace.held():
        ask_to_forget(workspace, user_id, time.time_ns() // 1000)
        made = take_out(workspace)
    assert made is not None, "somebody was asked for"
    return made
