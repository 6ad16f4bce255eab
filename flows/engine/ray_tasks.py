"""Independent work as tasks of a Ray cluster, by Prefect's RayTaskRunner: task runs that the UI shows."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import ContractBroken, Transient
from components.engine import EngineSettings
from flows.engine.not_installed import not_installed
from flows.engine.ray_cluster import check_room, check_versions, connected, line

try:
    import ray
    from prefect_ray import RayTaskRunner
except ImportError as error:
    raise not_installed(error) from None


def spread(name: str, work: Callable[[str, int], None], folder: Path, shares: int, engine: EngineSettings) -> None:
    """Let the cluster do ``work(folder, share)`` for every share, each as a task run of Prefect named after `name`.

    Parameters
    ----------
    work : a function of a module; done again it comes to the same, for Ray and Prefect both try again what died.

    Raises
    ------
    Transient
        If the cluster cannot be reached, has too few processors, or a task failed as often as is allowed.
    ContractBroken
        If it refuses the token, a node has other versions, or its nodes cannot reach Prefect's server.
    """
    with connected(engine), get_client(sync_client=True) as client:
        check_room(engine)
        check_versions(engine)
        api = str(client.api_url)
        _check_api(api, engine)
        with temporary_settings({PREFECT_API_URL: api}):  # without it every worker starts a server of its own
            _spread(name, work, str(folder.resolve()), shares, engine)


def _spread(name: str, work: Callable[[str, int], None], folder: str, shares: int, engine: EngineSettings) -> None:
    one = task(name=name, retries=engine.tries - 1, persist_result=False, cache_policy=NO_CACHE)(work)

    @flow(name=name, task_runner=RayTaskRunner(), persist_result=False)
    def every() -> None:
        for future in one.map(unmapped(folder), range(shares)):
            future.result()

    try:
        every()
    except ContractBroken:
        raise
    except Exception as error:
        raise Transient(f"{name} on Ray at {engine.address} did not come to their end: {line(error)}") from None


def _check_api(api: str, engine: EngineSettings) -> None:
    """Whether tasks on other nodes can tell Prefect's server what they do."""
    nodes = sorted({node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]})
    if len(nodes) > 1 and urlsplit(api).hostname in ("127.0.0.1", "localhost", "::1"):
        raise ContractBroken(
            f"Prefect's API is at {api}, which nodes of Ray at {engine.address} ({', '.join(nodes)}) cannot reach; "
            "PREFECT_API_URL has to be an address of this machine that they see (docs/scale.md)"
        )
