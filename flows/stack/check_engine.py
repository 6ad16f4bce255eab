"""Whether the engine that a home names can be had: it answers, takes the token, and has room and the same versions."""

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version

from components.domain import ContractBroken, EvercurrentError
from components.engine import OWN, EngineSettings
from components.settings import read_settings
from flows.stack.finding import Finding, fine, mend, note
from flows.workspace import Workspace


def check_engine(workspace: Workspace) -> Iterator[Finding]:
    """The cluster of the engine; nothing where a turn computes in its own process."""
    try:
        engine = read_settings(workspace.settings).engine
    except ContractBroken:  # as `check_home` says
        return
    if engine.name == "local":
        return
    try:
        from flows.engine import ray_cluster
    except ContractBroken as broken:
        yield mend("engine", str(broken), f"install it, or edit {workspace.settings}")
        return
    if engine.address == OWN:
        yield _own(engine)
        return
    try:
        with ray_cluster.connected(engine):
            yield fine("engine", f"Ray {version('ray')} at {engine.address} answers and takes the token")
            yield _looked_at("engine room", lambda: _room(engine, ray_cluster.check_room(engine)))
            yield _looked_at("engine versions", lambda: _versions(ray_cluster.check_versions(engine)))
    except EvercurrentError as error:
        yield mend("engine", str(error), f"start the cluster, or edit [engine] of {workspace.settings}")


def _own(engine: EngineSettings) -> Finding:
    there = os.cpu_count() or 1
    said = f"a cluster of this machine is started for an update: {engine.workers} workers, {there} processors"
    return (
        note("engine", f"{said}; more workers than these cost time") if engine.workers > there else fine("engine", said)
    )


def _looked_at(check: str, look: Callable[[], str]) -> Finding:
    try:
        return fine(check, look())
    except EvercurrentError as error:
        return mend(check, str(error), "as it says; until then an update that is shared fails (docs/scale.md)")


def _room(engine: EngineSettings, processors: int) -> str:
    return f"{processors} processors for {engine.workers} workers"


def _versions(nodes: list[str]) -> str:
    return f"the same as here on {len(nodes)} nodes: {', '.join(nodes)}"
