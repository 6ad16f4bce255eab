"""What the service may be told from outside: every setting is an environment variable."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr, ValidationError

from components.domain import ContractBroken
from components.frozen import Frozen, first_fault
from components.ingest.log_settings import LogSettings
from components.serving.live_memory import Steps
from components.serving.retrieval import Retrieval

if TYPE_CHECKING:
    from components.ingest.log_stream import LogStream

PREFIX = "EVERCURRENT_"


class ServiceSettings(Frozen):
    """Settings of one service process; ``EVERCURRENT_<NAME>`` sets a field."""

    home: Path = Path(".evercurrent")
    """State folder: champion pointer, bundles, decision log."""
    log: SecretStr = LogSettings().url
    """Address of a Redis whose stream is the decision log, for replicas that share no disk; empty: files at home."""
    log_stream: str = LogSettings().stream
    """Name of that stream."""
    log_when_away: Literal["refuse", "spool"] = LogSettings().when_away
    """What to do while that Redis takes nothing: answer 503, or answer requests and keep the decisions in files."""
    spool: Path | None = None
    """Folder of those files, on a disk of this machine that outlives its processes; without it `spool` in the home."""
    workers: int = Field(default=1, ge=1)
    """Processes that answer on one port. Each holds the whole bundle (about 380 MB resident, 245 of them its
    own) and learns from the log of all of them (docs/decisions/0016-every-worker-follows-the-log.md)."""
    pointer_seconds: float = Field(default=0.5, gt=0)
    """How often the champion pointer is looked at; one stat call."""
    tick_seconds: float = Field(default=0.25, gt=0)
    """Width of the steps of outcome time in which the memory learns: outcomes of one step are one
    write, so that the memory follows from the log alone, whenever and by whomever it is read."""
    grace_seconds: float = Field(default=0.1, ge=0)
    """How long after its end a step stays open for lines other workers are about to write."""
    body_bytes: int = Field(default=1_000_000, ge=1)
    """Largest body; a larger one is refused before it is parsed."""
    eligible_most: int = Field(default=5_000, ge=1)
    """Most items that one request may name as eligible."""
    candidates: int = Field(default=Retrieval().candidates, ge=1)
    """Items that a request without an eligible set is answered from; the slate is drawn from them, and they are logged
    as its eligible set (`components/serving/retrieval.py`)."""
    explored: float = Field(default=Retrieval().explored, ge=0, lt=1)
    """Share of those candidates that is drawn evenly from all other servable items, so that each can be shown."""
    fresh: int = Field(default=Retrieval().fresh, ge=0)
    """Candidates that are among the newest items, of which a score knows least."""
    lifted: int = Field(default=Retrieval().lifted, ge=0)
    """Candidates that the memory has lifted since the generation was made."""
    slate_most: int = Field(default=100, ge=1)
    """Longest slate. Each further position costs another draw over all eligible items."""
    beside: int = Field(default=1_000, ge=1)
    """Requests with more eligible items than this are scored in a thread: they would hold up all others for longer
    than a few requests of ordinary size."""
    tokens: Path | None = None
    """File of bearer tokens, a line each: scopes, separated by commas, a space, the token. With it every request needs
    one; without it only this machine is answered (`bento/access.py`)."""
    release_key: Path | None = None
    """PEM file of an Ed25519 public key: only bundles signed with its private key answer
    (`components/publish/signature.py`)."""
    segment_bytes: int = Field(default=1 << 26, ge=1)
    """Size from which the decision log goes on in another file; what is closed is never written again."""
    retention_days: float = Field(default=7.0, gt=0)
    """How long after an impression its outcome is accepted; bounds the service's memory."""

    @property
    def stream(self) -> "LogStream":
        """The stream that `log` and `log_stream` name.

        Raises
        ------
        ContractBroken
            If they name none; one line, without the address.
        """
        from components.ingest.log_stream import LogStream  # a service whose log is files needs no Redis

        return LogStream.at(self.log.get_secret_value(), self.log_stream)

    @property
    def steps(self) -> Steps:
        """How the live memory follows the log."""
        return Steps.of(self.tick_seconds, self.grace_seconds, self.retention_days)

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
