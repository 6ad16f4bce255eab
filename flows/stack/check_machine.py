"""What a stack needs of its machine: room on the disk, versions that work together, a clock that goes forward."""

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

from components.domain import EvercurrentError, instant_of, iso
from flows.lock_holder import lock_holder
from flows.stack.environment import ROOT
from flows.stack.finding import Finding, fine, mend, note
from flows.turn import ALL_TIME, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger

LEAST_BYTES = 2_000_000_000
"""Room for some weeks of turns with their bundles and pages, and for DuckDB to sort in."""

BROKEN = {
    "fastapi": ((0, 151), "Prefect's server refuses what its own client sends"),
    "sqlalchemy": ((2, 1), "Prefect's schedules make no runs, and nothing says so"),
    "pandas": ((3, 1), "Evidently cannot be imported"),
}
"""Versions from which the libraries that we stand on do not work together; a resolver finds them, and no test of theirs
does. All run."""

REINSTALL = "pip install -r requirements.lock"


def check_machine(workspace: Workspace) -> Iterator[Finding]:
    """Disk, versions, clock."""
    yield _disk(workspace)
    yield from check_versions(_installed(), ROOT / "requirements.lock")
    yield _clock(workspace)
    yield _zone()


def _disk(workspace: Workspace) -> Finding:
    free = shutil.disk_usage(workspace.root).free
    said = f"{free / 1e9:.1f} GB free below {workspace.root}"
    if free < LEAST_BYTES:
        return mend("disk", f"{said}, at least {LEAST_BYTES / 1e9:g} are wanted", "free space, or move the home")
    return fine("disk", said)


def check_versions(installed: Mapping[str, str], lock: Path) -> Iterator[Finding]:
    """Versions that break each other, and those that are not the tested ones.

    Parameters
    ----------
    installed : lower-case name -> version.
    lock : lines ``name==version``; where there is no such file, the first question alone is asked.
    """
    for name, (limit, why) in BROKEN.items():
        version = installed.get(name, "0")
        if _numbers(version) >= limit:
            allowed = ".".join(map(str, limit))
            yield mend("versions", f"{name} {version}: {why}; allowed is below {allowed}", REINSTALL)
    if not lock.exists():
        return
    wanted = dict(map(_pinned, filter(_is_for_here, lock.read_text().splitlines())))
    other = [f"{name} {installed.get(name, 'missing')}" for name in wanted if installed.get(name) != wanted[name]]
    if other:
        yield note("versions", f"not as in {lock.name}, which is what was tested: {', '.join(other[:5])}")
    else:
        yield fine("versions", f"all {len(wanted)} as in {lock.name}")


def _is_for_here(line: str) -> bool:
    """Whether a line of a lock names a version for this Python."""
    if "==" not in line or line.startswith("#"):
        return False
    marker = Requirement(line).marker
    return marker is None or marker.evaluate()


def _pinned(line: str) -> tuple[str, str]:
    asked = Requirement(line)
    return _plain(asked.name.lower()), str(asked.specifier).removeprefix("==").lower()


def _installed() -> dict[str, str]:
    found = [one for one in distributions() if one.metadata["Name"]]  # a half removed package has none
    return {_plain(one.metadata["Name"]): one.version.lower().partition("+")[0] for one in found}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _clock(workspace: Workspace) -> Finding:
    now = datetime.now(UTC)
    said = f"it is {now:%Y-%m-%d %H:%M} UTC"
    if lock_holder(workspace.database) is not None:
        return fine("clock", said)  # who has the warehouse open compares it himself
    try:
        last = ledger.last_window(warehouse_of(workspace), ALL_TIME)
    except EvercurrentError:
        return fine("clock", said)
    if last is not None and last.cutoff > instant_of(now):
        return mend("clock", f"{said}, before the last cutoff {iso(last.cutoff)}", "set the clock: no turn can follow")
    return fine("clock", said)


def _zone() -> Finding:
    zone, seconds = time.strftime("%Z"), time.localtime().tm_gmtoff
    if seconds:
        return note(
            "timezone", f"this machine lives in {zone}, {seconds / 3600:+g} h; all schedules and cutoffs are UTC"
        )
    return fine("timezone", "UTC, as schedules and cutoffs are")
