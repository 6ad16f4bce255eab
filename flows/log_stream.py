"""The stream of a home, if its decision log is one: what its settings say, and what the environment says above them."""

import os
from typing import TYPE_CHECKING

from pydantic import SecretStr

from components.ingest.log_settings import LogSettings
from components.settings import read_settings
from flows.workspace import Workspace

if TYPE_CHECKING:
    from components.ingest.log_stream import LogStream

URL, NAME = "EVERCURRENT_LOG", "EVERCURRENT_LOG_STREAM"
"""Variables of the service."""


def log_settings(workspace: Workspace) -> LogSettings:
    """Where the decision log is.

    Raises
    ------
    ContractBroken
        If the settings of the home are none.
    """
    told = read_settings(workspace.settings).log
    url, name = os.environ.get(URL), os.environ.get(NAME)
    above = ({"url": SecretStr(url)} if url else {}) | ({"stream": name} if name else {})
    return told.model_copy(update=above)


def stream_of(workspace: Workspace) -> "LogStream | None":
    """The stream; None where the log is files.

    Raises
    ------
    ContractBroken
        If the settings name one that is none.
    """
    told = log_settings(workspace)
    if not told.url.get_secret_value():
        return None
    from components.ingest.log_stream import LogStream  # a home whose log is files needs no Redis

    return LogStream.at(told.url.get_secret_value(), told.stream)


def service_variables(workspace: Workspace) -> dict[str, str]:
    """What a service of this home is told of its log: said once, in the home's settings."""
    told = log_settings(workspace)
    url = told.url.get_secret_value()
    return {URL: url, NAME: told.stream} if url else {}
