"""What the service may be told from outside: every setting is an environment variable."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from components.domain import ContractBroken
from components.frozen import Frozen, first_fault

PREFIX = "EVERCURRENT_"


class ServiceSettings(Frozen):
    """Settings of one service process; ``EVERCURRENT_<NAME>`` sets a field."""

    home: Path = Path(".evercurrent")
    """State folder: champion pointer, bundles, decision log."""
    workers: int = Field(default=1, ge=1)
    """Processes that answer on one port. Each holds the whole bundle (about 450 MB with torch) and learns
    from the log of all of them."""
    pointer_seconds: float = Field(default=0.5, gt=0)
    """How often the champion pointer is looked at; one stat call."""
    tick_seconds: float = Field(default=0.25, gt=0)
    """Width of the steps of outcome time in which the memory learns: outcomes of one step are one
    write, so that the memory follows from the log alone, whenever and by whomever it is read."""
    grace_seconds: float = Field(default=0.1, ge=0)
    """How long after its end a step stays open for lines other workers are about to write."""
    sync_seconds: float = Field(default=1.0, gt=0)
    """How often the decision log is forced to disk. A killed process loses nothing (lines go to the
    kernel before the answer goes out); a power cut loses at most this much."""
    retention_days: float = Field(default=7.0, gt=0)
    """How long after an impression its outcome is accepted; bounds the service's memory."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServiceSettings":
        """The settings named in an environment; others keep their defaults.

        Raises
        ------
        ContractBroken
            If a variable holds what its setting does not allow; one line.
        """
        named = {name: environment.get(PREFIX + name.upper()) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in named.items() if value})
        except ValidationError as error:
            name, _, said = first_fault(error).partition(":")
            raise ContractBroken(f"{PREFIX}{name.upper()}:{said}; see bento/settings.py") from None
