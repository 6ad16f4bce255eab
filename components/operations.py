"""How long a run waits for others, and how long each stage may take before the run is ended.

A stage that hangs (a disk that does not answer, a library that waits for itself) would hold the home for good: every
later run finds it taken. The limits are far above what a stage needs, and there to end what will not end by itself.
"""

from pydantic import Field

from components.frozen import Frozen

HOUR = 3600.0


class TimeoutSettings(Frozen):
    """Seconds that a stage may take; a run with a stage that takes longer is ended, and the next one resumes it."""

    ingest: float = Field(default=HOUR, gt=0)
    """Reading the decision log: 20,000 lines a second on one core, so an hour is 70 million of them. Own choice."""
    forget: float = Field(default=HOUR, gt=0)
    """Taking out users who asked for it: rewrites what names them."""
    contracts: float = Field(default=HOUR, gt=0)
    """Contracts of one window: under a second per million rows, and memory that swaps."""
    read: float = Field(default=HOUR, gt=0)
    """Champion and training data from the warehouse."""
    drift: float = Field(default=HOUR, gt=0)
    """Measured on a sample of fixed size: seconds, whatever the window."""
    memory: float = Field(default=HOUR, gt=0)
    """The window's outcomes, learned once by each memory that is kept."""
    canary: float = Field(default=HOUR, gt=0)
    """The traffic of a canary against the champion's."""
    update: float = Field(default=6 * HOUR, gt=0)
    """Training is the one stage whose length grows with the model: a rebuild on months of rows takes hours."""
    evaluate: float = Field(default=2 * HOUR, gt=0)
    """Held-out requests scored by up to four generations, then bootstraps."""
    held_out: float = Field(default=HOUR, gt=0)
    """What was held out, learned after the verdict."""
    publish: float = Field(default=HOUR, gt=0)
    """Bundle, digests, pages, Bento: a copy of the model on the disk."""
    close: float = Field(default=HOUR, gt=0)
    """One row of the ledger."""
    halt: float = Field(default=HOUR, gt=0)
    """A window set aside, and the memories that know it dropped."""
    play: float = Field(default=6 * HOUR, gt=0)
    """A replay's period, played against the champion."""

    def of(self, stage: str) -> float:
        """Seconds that a stage may take, by its name as the log has it.

        >>> TimeoutSettings(held_out=60.0).of("held-out"), TimeoutSettings().of("validate")
        (60.0, 3600.0)
        """
        return float(getattr(self, {"validate": "contracts"}.get(stage, stage.replace("-", "_"))))


class OperationsSettings(Frozen):
    """Settings of scheduled runs."""

    wait_seconds: float = Field(default=600.0, ge=0)
    """How long a scheduled turn, a backfill or a rollback waits for another run that uses the home: the fast ones take
    seconds, and a night that is given up is a day's delay. A second run of the same deployment never waits."""
    try_seconds: float = Field(default=2.0, ge=0)
    """How long a memory refresh or a look at drift waits: it comes again in minutes."""

    def patience(self, patient: bool) -> float:
        """Seconds that a run waits for the home.

        >>> OperationsSettings(wait_seconds=60.0).patience(True)
        60.0
        """
        return self.wait_seconds if patient else self.try_seconds
