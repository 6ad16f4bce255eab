"""Who is notified of what: the settings of ``[notify]``."""

import ipaddress
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from components.control_room.note import NoteKind
from components.control_room.settings import Address
from components.frozen import Frozen

ALL = (NoteKind.HOLD, NoteKind.ROLL_BACK, NoteKind.HALT, NoteKind.CONTRACT_BROKEN, NoteKind.TRANSIENT_REPEATED)


class NotifySettings(Frozen):
    """Webhooks that are told how turns end; none by default."""

    urls: tuple[Address, ...] = ()
    """Addresses that notifications are posted to as JSON. `https` anywhere, `http` on this machine."""
    plain_http: bool = False
    """Allow `http` to other machines, too: whoever is on the way can read it."""
    kinds: tuple[NoteKind, ...] = ALL
    """What is told: hold, roll_back, halt, contract_broken, transient_repeated, promote."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """How long one attempt may take."""
    attempts: int = Field(default=3, ge=1)
    """Attempts per notification and run, with growing pauses; what is not taken is sent by the next run."""
    budget_seconds: float = Field(default=10.0, gt=0)
    """How long all attempts of a run together may take: a turn ends so much later at most."""
    header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9-]+$")
    """Name of the header that `header_from` is the value of."""
    header_from: str | None = Field(default=None, pattern=r"^(environment|file):.+$")
    """Where the value of a header that is sent along is read: `environment:NAME`, or `file:PATH`, relative to the home.
    It is read when it is sent, and never logged."""
    keep_days: float = Field(default=30.0, gt=0)
    """How long an undelivered notification is kept."""

    @model_validator(mode="after")
    def _plain_http_stays_here(self) -> "NotifySettings":
        for url in () if self.plain_http else self.urls:
            parts = urlsplit(url)
            if parts.scheme == "http" and not loopback(parts.hostname or ""):
                raise ValueError(
                    f"http to {parts.hostname}; allowed are https, http to this machine, and with plain_http = true any"
                )
        return self


def loopback(host: str) -> bool:
    """Whether a host is this machine, by its literal name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
