"""Where the decision log is, besides the home: a Redis stream that replicas on several machines share."""

from typing import Literal

from pydantic import Field, SecretStr

from components.frozen import Frozen

STREAM_NAME = r"^[A-Za-z0-9_.]{1,64}$"


class LogSettings(Frozen):
    """The decision log of services that share no disk; without `url` it is files in the home."""

    url: SecretStr = SecretStr("")
    """Address of the Redis that holds the log: `redis://[:password@]host:port/db`, `rediss://` with TLS, or `unix://`;
    or where that is read: `environment:NAME`, or `file:PATH`, relative to the home. Never logged."""
    stream: str = Field(default="evercurrent", pattern=STREAM_NAME)
    """Name of the stream, and how its other keys begin."""
    when_away: Literal["refuse", "spool"] = "refuse"
    """What services do while that Redis takes nothing: `refuse` everything by 503, or `spool`: answer requests, keep
    the decisions in files of their own machine, and write them into the stream once it is back."""
    keep_days: float = Field(default=7.0, gt=0)
    """Days before champion's and canary's cutoff that stay in the stream after they were drained into files: what a
    replica that starts reads. At least `EVERCURRENT_RETENTION_DAYS` of the services."""
