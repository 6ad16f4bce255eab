"""The stream of a home, if its decision log is one: what the settings of that home say, and nothing else.

What the environment says of a log is for services: a home that is made for an hour, such as a drill's, must not drain
what another one is to learn from.
"""

import os
from typing import TYPE_CHECKING

from components.domain import ContractBroken
from components.ingest.log_settings import LogSettings
from components.settings import read_settings
from flows.workspace import Workspace

if TYPE_CHECKING:
    from components.ingest.log_stream import LogStream

URL, NAME, WHEN_AWAY = "EVERCURRENT_LOG", "EVERCURRENT_LOG_STREAM", "EVERCURRENT_LOG_WHEN_AWAY"
"""Variables of the service."""


def log_settings(workspace: Workspace) -> LogSettings:
    """Where the decision log is.

    Raises
    ------
    ContractBroken
        If the settings of the home are none.
    """
    return read_settings(workspace.settings).log


def log_url(workspace: Workspace) -> str:
    """The address of the broker, with its password; empty where the log is files.

    Raises
    ------
    ContractBroken
        If the settings say to read it where nothing is.
    """
    told = log_settings(workspace).url.get_secret_value()
    kind, _, name = told.partition(":")
    if kind == "environment":
        found = os.environ.get(name, "").strip()
    elif kind == "file":
        path = workspace.root / name
        found = path.read_text().strip() if path.is_file() else ""
    else:
        return told
    if not found:
        raise ContractBroken(f"[log] url is to be read from {kind} {name}, and nothing is there; see docs/settings.md")
    return found


def stream_of(workspace: Workspace) -> "LogStream | None":
    """The stream; None where the log is files.

    Raises
    ------
    ContractBroken
        If the settings name one that is none.
    """
    url = log_url(workspace)
    if not url:
        return None
    from components.ingest.log_stream import LogStream  # a home whose log is files needs no Redis

    return LogStream.at(url, log_settings(workspace).stream)


def service_variables(workspace: Workspace) -> dict[str, str]:
    """What a service of this home is told of its log: said once, in the home's settings."""
    url, settings = log_url(workspace), log_settings(workspace)
    return {URL: url, NAME: settings.stream, WHEN_AWAY: settings.when_away} if url else {}
