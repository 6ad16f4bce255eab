"""How the control room links and asks: the settings of ``[control_room]``."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.frozen import Frozen


def http_address(text: str) -> str:
    """The address as it is, if it is one.

    Raises
    ------
    ValueError
        If it is no http or https address of a host.

    Examples
    --------
    >>> http_address("http://127.0.0.1:3000/reports")
    'http://127.0.0.1:3000/reports'
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"address {parts.scheme or 'without scheme'}; allowed are http and https addresses of a host")
    return text


Address = Annotated[str, AfterValidator(http_address)]


class ControlRoomSettings(Frozen):
    """What artifacts link to, and how long the loop waits for a person."""

    reports_url: Address | None = None
    """Where the report site of the home is served, so that links of artifacts and notifications open pages, such as
    `http://127.0.0.1:3000/reports` of the service. Without one they name the file."""
    approve_seconds: float = Field(default=3600.0, gt=0)
    """How long a turn that was started with `approve` waits for a person before it holds; it keeps the home's lock
    meanwhile."""
