"""An update on a real Ray cluster of this machine, and what is said where there is none to be had."""

import os
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.task_runners import ThreadPoolTaskRunner

from components.domain import DAY, ContractBroken, Transient
from components.engine import EngineSettings
from components.update.checkpoint import Checkpoint
from components.update.shard.files import DONE, Asked, ask, put_together
from components.update.warm_start import warm_start
from tests.ranker.windows import window
from tests.update.shard.test_sharded_update import UPDATE
from tests.update.test_warm_start import assert_same

pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
from flows.engine import ray_cluster, ray_tasks

OWN = EngineSettings(name="ray", workers=2, patience_seconds=200.0)
PATIENCE = 240


def test_a_worker_that_is_killed_costs_a_try_and_never_the_update(parent: Checkpoint, tmp_path: Path) -> None:
    fresh, slow = window(3, rows=2_000), UPDATE.model_copy(update={"batch_size": 8, "epochs": 3})
    ask(tmp_path, Asked(cutoff=6 * DAY, seed=1, workers=2, settings=slow), parent, fresh, None)
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path, killed), daemon=True)
    killer.start()
    ray_cluster.share(tmp_path, OWN)
    killer.join(PATIENCE)
    assert killed, "no worker was there to be killed"
    here = warm_start(parent, fresh, None, 6 * DAY, slow, 1)
    assert_same(here.checkpoint, put_together(tmp_path, parent, 2).checkpoint)


def kill_a_worker(folder: Path, killed: list[int]) -> None:
    """Kill one that has begun and is not done."""
    give_up = time.monotonic() + PATIENCE
    while not killed and time.monotonic() < give_up:
        if (folder / "part-1").exists() and not (folder / "part-1" / DONE).exists():
            found = [p for p in psutil.Process().children(recursive=True) if "RayTrainWorker" in " ".join(p.cmdline())]
            for process in found[:1]:
                process.kill()
                killed.append(process.pid)
        time.sleep(0.1)


def dies_at_first(folder: str, share: int) -> None:
    """Done the second time it is tried."""
    begun = Path(folder) / f"begun-{share}"
    if share == 1 and not begun.exists():
        begun.touch()
        os._exit(1)
    (Path(folder) / f"done-{share}").touch()


def test_a_task_that_dies_is_done_again_and_prefect_knows_of_each(tmp_path: Path, prefect_server: None) -> None:
    ray_tasks.spread("shares", dies_at_first, tmp_path, 3, OWN)
    assert sorted(path.name for path in tmp_path.glob("done-*")) == ["done-0", "done-1", "done-2"]
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs()
    assert len([run for run in runs if run.name.startswith("shares-")]) == 3


def fails(folder: str, share: int) -> None:
    raise ValueError(f"no use\nin {share}")


def test_a_task_that_fails_for_good_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> None:
    monkeypatch.setattr(ray_tasks, "RayTaskRunner", ThreadPoolTaskRunner)
    with pytest.raises(Transient, match="others on Ray at own did not come to their end: no use in 0"):
        ray_tasks._spread("others", fails, "nowhere", [None], OWN.model_copy(update={"tries": 1}))


def test_nodes_that_cannot_reach_prefects_server_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"Alive": True, "NodeManagerAddress": address} for address in ("10.0.0.1", "10.0.0.2")]
    monkeypatch.setattr(ray_cluster.ray, "nodes", lambda: nodes)
    with pytest.raises(ContractBroken, match=r"at http://127.0.0.1:4200/api, which nodes of .* \(10.0.0.1, 10.0.0.2"):
        ray_tasks._check_api("http://127.0.0.1:4200/api", OWN)
    ray_tasks._check_api("http://10.0.0.1:4200/api", OWN)
    monkeypatch.setattr(ray_cluster.ray, "nodes", lambda: nodes[:1])
    ray_tasks._check_api("http://127.0.0.1:4200/api", OWN)


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:", ":6379", "http://127.0.0.1:6379/x"])
def test_an_address_that_is_none_is_refused_in_a_line(address: str, tmp_path: Path) -> None:
    with pytest.raises((ContractBroken, ValueError), match="allowed are HOST:PORT, `auto` and `own`"):
        ray_cluster.share(tmp_path, EngineSettings(name="ray", address=address))


def test_a_cluster_that_cannot_be_reached_is_busy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Transient, match=f"no Ray cluster at 127.0.0.1:{port}: .*; look at engine.address"):
        ray_cluster.share(tmp_path, EngineSettings(name="ray", address=f"127.0.0.1:{port}"))


def test_clusters_that_a_process_starts_have_a_token_and_keep_the_one_they_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    ray_cluster._have_token()
    first = os.environ["RAY_AUTH_TOKEN"]
    ray_cluster._have_token()
    assert len(first) == 64 and os.environ["RAY_AUTH_TOKEN"] == first
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/somewhere")
    ray_cluster._have_token()
    assert "RAY_AUTH_TOKEN" not in os.environ


FAILED = """Training failed due to {}:
\x1b[36mray::execute._setup_torch_process_group()\x1b[39m (pid=1, ip=10.0.0.2)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "torch/distributed/distributed_c10d.py", line 2169, in _new_process_group_helper
    backend_class = ProcessGroupGloo(
                    ^^^^^^^^^^^^^^^^^
{}
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            FAILED.format("controller error", "RuntimeError: Gloo connectFullMesh failed with timed out connecting"),
            "RuntimeError: Gloo connectFullMesh failed with timed out connecting: the workers cannot speak with each "
            "other; GLOO_SOCKET_IFNAME names a node's interface",
        ),
        (
            FAILED.format("worker errors", "components.domain.Transient: worker 0 of 2 lost the others: closed"),
            "components.domain.Transient: worker 0 of 2 lost the others: closed",
        ),
        ("Training failed due to controller error:\nno room", "Training failed due to controller error: no room"),
        ("", "ValueError"),
    ],
)
def test_a_try_that_failed_is_told_in_the_line_that_says_why(error: str, reason: str) -> None:
    assert ray_cluster._reason(ValueError(error)) == reason
