"""What the processes of a stack are told: all state below the home, loopback alone, no telemetry."""

import os
from pathlib import Path

from flows.workspace import QUIET, Workspace

ROOT = Path(__file__).resolve().parents[2]
"""Where the code lies; the deployments are made and run there."""

REPORTS = "EVERCURRENT_REPORTS_URL"
"""Variable of a stack's worker: where its service serves the report site, which artifacts then link to."""

HOMES = "EVERCURRENT_HOMES"
"""Variable of a stack's processes, and of commands: the file of homes."""

LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""Who holds a slot stands on the disk: in memory, a power cut would keep every slot for good."""


def environment(
    workspace: Workspace, api: str, database: str | None = None, homes: Path | None = None
) -> dict[str, str]:
    """The environment of a part: that of whoever starts it, without another server's address.

    Parameters
    ----------
    api : address of the server's API.
    database : where the server keeps its runs; None: in SQLite below the home.
    homes : the file of homes that the stack serves; None: the one home.
    """
    root = str(workspace.root)
    others = ("PREFECT_API_KEY", "PREFECT_PROFILE", HOMES)
    inherited = {name: value for name, value in os.environ.items() if name not in others}
    ours = {
        "EVERCURRENT_HOME": root,
        "PREFECT_HOME": f"{root}/prefect",
        "BENTOML_HOME": os.environ.get("BENTOML_HOME", f"{root}/bentoml"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_COLORS": "false",
        "PYTHONUNBUFFERED": "1",
        "PWD": str(ROOT),
    }
    if homes is not None:
        ours[HOMES] = str(homes)
    if database:
        ours["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    return QUIET | inherited | ours
