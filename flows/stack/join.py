"""A command beside a stack: its runs go to the stack's server, so that the UI shows them, too."""

import os
import urllib.error
import urllib.request

from flows.stack.record import Role, read_stack
from flows.workspace import Workspace

API = "PREFECT_API_URL"
ANSWER_SECONDS = 3.0


def join(workspace: Workspace) -> str | None:
    """Let what runs in this process tell the stack's server; what to say where that is not possible, or None.

    Called before Prefect is imported. Somebody's own server, named in the environment, goes first; without a stack a
    command starts a server of its own for as long as it runs.
    """
    stack = read_stack(workspace)
    if os.environ.get(API) or stack.api is None:
        return None
    if stack.running(Role.SERVER) is not None and _healthy(stack.api):
        os.environ[API] = stack.api
        return None
    return f"the stack's server at {stack.api} does not answer: its UI will not show this run; see evercurrent doctor"


def _healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
