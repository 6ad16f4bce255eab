"""Where a turn computes: in its own process, or on a Ray cluster that is there already."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from components.frozen import Frozen

OWN = "own"
"""Address of a cluster of this machine, started for a turn and ended with it."""


class EngineSettings(Frozen):
    """The engine and from which size on it is asked; what a turn comes to is the same with either."""

    name: Literal["local", "ray"] = "local"
    """local: the turn's own process. ray: a Ray cluster, for what is past the sizes below (`evercurrent[ray]`)."""
    address: str = OWN
    """Of the cluster: HOST:PORT of its head, `auto` for the one that this machine belongs to, `own` for one that is
    started for the turn. Its token is Ray's to read (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH), never this file's."""
    workers: PositiveInt = 2
    """Processes that share an update, each with its part of the table (what that saves: docs/scale.md)."""
    shard_rows: PositiveInt = 50_000_000
    """Rows of the table from which on an update is shared: 4 GB of weights and learning history at 16 numbers a row."""
    shard_examples: PositiveInt = 20_000_000
    """Fresh examples from which on an update is shared."""
    shard_entries: PositiveInt = 20_000_000
    """Eligible entries of a turn's held-out requests from which on what each generation would have chosen in them is
    worked out by tasks of the cluster, as many at once as it has processors."""
    patience_seconds: float = Field(default=60.0, gt=0)
    """How long the cluster may take to answer, and to have so many workers free."""
    tries: PositiveInt = 3
    """How often an update is begun on the cluster before the stage fails: a worker that dies costs the try."""

    @model_validator(mode="after")
    def _named(self) -> "EngineSettings":
        if not self.address:
            raise ValueError("address is empty; allowed are HOST:PORT, `auto` and `own`")
        return self

    def shares(self, rows: int, examples: int) -> bool:
        """Whether an update of a table of `rows` by `examples` is for several workers.

        >>> EngineSettings().shares(10**9, 10), EngineSettings(name="ray").shares(10**9, 10)
        (False, True)
        """
        return self.name == "ray" and (rows >= self.shard_rows or examples >= self.shard_examples)

    def spreads(self, entries: int) -> bool:
        """Whether choices among so many eligible entries are worked out by tasks of the cluster."""
        return self.name == "ray" and entries >= self.shard_entries
