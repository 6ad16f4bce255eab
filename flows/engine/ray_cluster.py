"""A Ray cluster, and an update on it by Ray Train, which starts the workers and joins them in a process group.

The cluster is somebody else's and there already, or (`engine.address = "own"`) one of this machine for as long as the
update takes. Its nodes have this Evercurrent installed and see the home's folder under the same path. The nodes'
versions are looked at first: bits of different ones may differ.
"""

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from components.domain import ContractBroken, Transient
from components.engine import OWN, EngineSettings
from components.update.shard.work import LONGEST_WAIT, work
from flows.engine.not_installed import not_installed

try:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.config import FailureConfig
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise not_installed(error) from None

logger = logging.getLogger("evercurrent")
PACKAGES = ("evercurrent", "torch", "numpy", "numba", "ray")
"""What decides which bits an update comes to, and how nodes speak with each other."""
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


def share(folder: Path, engine: EngineSettings) -> None:
    """Let `engine.workers` processes of the cluster do what stands in `folder`, until every part of it is done.

    Raises
    ------
    Transient
        If the cluster cannot be reached, has too few free processors, or the workers died as often as is allowed.
    ContractBroken
        If it refuses the token, or a node has other versions.
    """
    said = None
    for number in range(1, engine.tries + 1):
        with connected(engine):  # anew for each try: what a failed one leaves holds its processors until it is away
            check_room(engine)
            check_versions(engine)
            said = _tried(folder, engine, number)
        if said is None:
            return
    raise Transient(f"the update on Ray at {engine.address} did not come to its end in {engine.tries} tries: {said}")


def _tried(folder: Path, engine: EngineSettings, number: int) -> str | None:
    """Why a try failed, None if it did not. Ray's own tries leave out what its controller stumbles over."""
    try:
        _trainer(folder, engine, number).fit()
    except Exception as error:
        said = _reason(error)
        logger.warning("stage=update event=try_failed try=%d of=%d reason=%s", number, engine.tries, said)
        return said
    return None


def _trainer(folder: Path, engine: EngineSettings, number: int) -> TorchTrainer:
    """One try: whatever Ray would begin again by itself, for ever by default, is for `share` to count."""
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(engine.patience_seconds)
    return TorchTrainer(
        _share_of,
        train_loop_config={"folder": str(folder.resolve())},
        torch_config=TorchConfig(backend="gloo", timeout_s=int(LONGEST_WAIT.total_seconds())),
        scaling_config=ScalingConfig(num_workers=engine.workers, use_gpu=False),
        run_config=RunConfig(
            name=f"try-{number}",
            storage_path=str((folder / "ray").resolve()),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0),
        ),
    )


def _share_of(config: dict[str, str]) -> None:
    """What one worker does; Ray Train has set up the process group."""
    work(Path(config["folder"]))


@contextmanager
def connected(engine: EngineSettings) -> Iterator[None]:
    """Connected to the cluster, and away from it afterwards.

    Raises
    ------
    Transient, ContractBroken
        If it cannot be reached, or refuses the token.
    """
    _check_there(engine)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if engine.address == OWN:
            _have_token()
            ray.init(address="local", num_cpus=engine.workers + 1, include_dashboard=False, **QUIET)
        else:
            ray.init(address=engine.address, **QUIET)
    except Exception as error:
        raise _unreachable(engine, error) from None
    try:
        yield
    finally:
        ray.shutdown()


def _have_token() -> None:
    """A token for the clusters that this process starts: their ports listen on all addresses.

    Ray reads it once in a process, and asks for it by default where it starts a cluster.
    """
    if not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))


def _check_there(engine: EngineSettings) -> None:
    """Whether somebody listens at an address, which Ray itself takes minutes to find out."""
    host, colon, port = engine.address.rpartition(":")
    if engine.address in (OWN, "auto"):
        return
    if not (host and colon and port.isdecimal()):
        raise ContractBroken(f"engine.address is {engine.address!r}; allowed are HOST:PORT, `auto` and `own`")
    try:
        socket.create_connection((host, int(port)), engine.patience_seconds).close()
    except OSError as error:
        raise Transient(
            f"no Ray cluster at {engine.address}: {error}; look at engine.address, or start the cluster"
        ) from None


def _unreachable(engine: EngineSettings, error: Exception) -> Exception:
    """Somebody listens there: where Ray does not come in, it is the token."""
    if engine.address in (OWN, "auto"):
        return Transient(f"no Ray cluster at {engine.address}: {line(error)}; start one, or name its address")
    return ContractBroken(
        f"Ray at {engine.address} lets nobody in: {line(error)}; RAY_AUTH_MODE, and RAY_AUTH_TOKEN or "
        "RAY_AUTH_TOKEN_PATH, have to be those of the cluster"
    )


def check_room(engine: EngineSettings) -> int:
    """How many processors the cluster has.

    Raises
    ------
    Transient
        If not every worker can have one.
    """
    there = int(ray.cluster_resources().get("CPU", 0))
    if there < engine.workers:
        raise Transient(
            f"Ray at {engine.address} has {there} processors, engine.workers is {engine.workers}; add nodes or ask for "
            "fewer workers"
        )
    return there


def check_versions(engine: EngineSettings) -> list[str]:
    """The addresses of the nodes that have processors; all have what this process has.

    Raises
    ------
    ContractBroken
        If one has another version, both named.
    Transient
        If one does not answer.
    """
    packages = PACKAGES

    def installed() -> dict[str, str]:
        """Travels whole: a node without Evercurrent can answer, too."""
        from importlib.metadata import PackageNotFoundError, version
        from platform import python_version

        found = {"Python": python_version()}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "none"
        return found

    ask = ray.remote(installed)
    asked = {
        node["NodeManagerAddress"]: ask.options(num_cpus=0, max_retries=0, scheduling_strategy=_on(node)).remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }
    here = installed()
    for address, answer in asked.items():
        try:
            there = ray.get(answer, timeout=engine.patience_seconds)
        except Exception as error:
            raise Transient(f"node {address} of Ray at {engine.address} does not answer: {line(error)}") from None
        differing = [name for name in here if there[name] != here[name]]
        if differing:
            name = differing[0]
            raise ContractBroken(
                f"node {address} of Ray at {engine.address} has {name} {there[name]}, this process has {here[name]}; "
                "allowed are the same on all nodes"
            )
    return list(asked)


def _on(node: Mapping[str, Any]) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)


def _reason(error: Exception) -> str:
    """Why a try failed: of what Ray tells with the workers' own tracebacks, the line that says so."""
    lines = [one.strip() for one in str(error).splitlines()]
    said = [one for one in lines if re.match(r"[\w.]*(Error|Exception|Transient|ContractBroken)\b", one)]
    reason = (said or [line(error)])[-1][:300]
    if "connectFullMesh" in reason:
        return f"{reason}: the workers cannot speak with each other; GLOO_SOCKET_IFNAME names a node's interface"
    return reason


def line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
