"""Independent work as tasks of a Ray cluster, by Prefect's RayTaskRunner: task runs that the UI shows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import wait
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


Work = Callable[[str, int], None]
"""What is done of a folder, by the number of a share."""


def spread(
    name: str, work: Work, folder: Path, shares: int, engine: EngineSettings, names: Sequence[str] | None = None
) -> None:
    """Let the cluster do ``work(folder, share)`` for every share, each as a task run of Prefect named after `name`.

    A share that fails ends none of the others: all of them have ended when the first one's reason is told.

    Parameters
    ----------
    work : a function of a module; done again it comes to the same, for Ray and Prefect both try again what died. What
        it refuses with ContractBroken is not tried again.
    names : what the task runs are called instead, one for each share.

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
            _spread(name, work, str(folder.resolve()), [None] * shares if names is None else names, engine)


def _spread(name: str, work: Work, folder: str, names: Sequence[str | None], engine: EngineSettings) -> None:
    one = task(
        name=name,
        retries=engine.tries - 1,
        retry_condition_fn=_may_pass,
        persist_result=False,
        cache_policy=NO_CACHE,
    )(work)

    @flow(name=name, task_runner=RayTaskRunner(), persist_result=False)
    def every() -> None:
        futures = [
            (one if called is None else one.with_options(task_run_name=called)).submit(folder, share)
            for share, called in enumerate(names)
        ]
        wait(futures)
        for future in futures:
            future.result()

    try:
        every()
    except ContractBroken:
        raise
    except Exception as error:
        raise Transient(f"{name} on Ray at {engine.address} did not come to their end: {line(error)}") from None


def _may_pass(_task: Task, _run: TaskRun, state: State) -> bool:
    """Whether another try may end otherwise."""
    try:
        state.result()
    except ContractBroken:
        return False
    except Exception:
        return True
    return False


def _check_api(api: str, engine: EngineSettings) -> None:
    """Whether tasks on other nodes can tell Prefect's server what they do."""
    nodes = sorted({node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]})
    if len(nodes) > 1 and urlsplit(api).hostname in ("127.0.0.1", "localhost", "::1"):
        raise ContractBroken(
            f"Prefect's API is at {api}, which nodes of Ray at {engine.address} ({', '.join(nodes)}) cannot reach; "
            "PREFECT_API_URL has to be an address of this machine that they see (docs/scale.md)"
        )
