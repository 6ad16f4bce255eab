"""The state folder: every path of it, the environment that keeps libraries inside it, and its lock."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from components.domain import ContractBroken, Transient
from warehouse.quiet_end import end_quietly

QUIET = {
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",  # BentoML ignores "1"
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",  # the same bits on any machine; two threads were 20 times slower beside other work
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # a fresh database on a slow disk needs more than 20 s
}
"""Telemetry off and one thread per library, unless the environment says otherwise."""

RUN = "PREFECT__FLOW_RUN_ID"
"""The variable by which Prefect names the run in the process of one that a deployment made."""

SILENT = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
"""For the command line alone, which says itself what a run does: in the Prefect UI the log lines are wanted."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """All state lives under `root`; one home holds one source."""

    root: Path

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def source(self) -> Path:
        """The description of the source this home holds."""
        return self.root / "source.toml"

    @property
    def settings(self) -> Path:
        """The user's settings, if any."""
        return self.root / "evercurrent.toml"

    @property
    def decisions(self) -> Path:
        """The service's append-only decision log."""
        return self.root / "decisions"

    @property
    def old_facts(self) -> Path:
        """Facts that left the warehouse, a folder for each day."""
        return self.root / "facts"

    @property
    def reports(self) -> Path:
        """The site: pages of all turns, and those that belong to no single one."""
        return self.root / "reports"

    def pages(self, cutoff: int) -> Path:
        """The pages of one turn, a part of the site."""
        return self.reports / "turns" / str(cutoff)

    def bundle(self, generation: int) -> Path:
        """The immutable bundle of a generation."""
        return self.root / "bundles" / f"g{generation:06d}"

    def checkpoint(self, generation: int) -> Path:
        """What the next warm start continues from."""
        return self.root / "checkpoints" / f"g{generation:06d}"

    def memory(self, generation: int, cutoff: int) -> Path:
        """The memory of a generation as of a cutoff."""
        return self.root / "memories" / f"g{generation:06d}-{cutoff}"

    @property
    def references(self) -> Path:
        """What was usual in the windows that others are held against: counts, and rows drawn of them."""
        return self.root / "references"

    def reference(self, cutoff: int) -> Path:
        """What was usual in the window that ended at a cutoff."""
        return self.references / f"{cutoff}.safetensors"

    def turn(self, cutoff: int) -> Path:
        """Working files and figures of one turn."""
        return self.root / "turns" / str(cutoff)

    def replayed(self, cutoff: int) -> Path:
        """The decision log of one replayed window, and its scores."""
        return self.root / "replay" / str(cutoff)

    @property
    def replay_record(self) -> Path:
        """What the last replay of this home knew."""
        return self.root / "replay" / "record.json"

    @property
    def lock(self) -> Path:
        """Locked by whoever writes here."""
        return self.root / ".lock"

    def require_log(self) -> None:
        """Refuse a home without a log.

        Raises
        ------
        ContractBroken
            If nothing was ingested here yet.
        """
        if not self.source.exists():
            raise ContractBroken(
                f"{self.root} holds no log yet; "
                "start with: evercurrent replay, or evercurrent ingest PATH --source NAME"
            )

    @contextmanager
    def held(self, patience: float = 2.0) -> Iterator[None]:
        """The right to write here; a second run is told who has it.

        Raises
        ------
        Transient
            If another run holds this home for longer than `patience` seconds.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock, is_singleton=True, thread_local=False)  # a flow may hold it around another
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            raise Transient(
                f"another run is using {self.root}{_named(self.lock)}; one at a time is allowed: wait for it, or name "
                "another --home"
            ) from None
        try:
            yield
        finally:
            lock.release()


def _named(lock: Path) -> str:
    """Who has it, where the kernel tells."""
    from flows.lock_holder import described, lock_holder  # asked for when something is wrong, and not at every start

    holder = lock_holder(lock)
    return "" if holder is None else f": {described(holder)}"


@contextmanager
def scratch(kept: Path | None = None) -> Iterator[Path]:
    """A folder for the block: `kept`, which stays, or one that is gone afterwards."""
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory(prefix="evercurrent-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """An empty folder for the block, gone afterwards: what a try left that was cut off is of no use to the next."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def enter(root: Path) -> Workspace:
    """The home at `root`; libraries that keep state are told to keep it there. Called before they are imported."""
    end_quietly()  # here, for runs that end before they connect
    root = root.resolve()
    os.environ["EVERCURRENT_HOME"] = str(root)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if RUN not in os.environ:  # the run of a deployment works in a home that is there
        (root / "prefect").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PREFECT_HOME", str(root / "prefect"))
    os.environ.setdefault("BENTOML_HOME", str(root / "bentoml"))
    return Workspace(root)
