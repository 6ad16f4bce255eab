"""A Ray cluster of two nodes: what is said of it, and what an update does when it is not as it should be."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.nodes import Node
from components.domain import DAY, ContractBroken
from components.update.checkpoint import Checkpoint
from components.update.shard.files import Asked, ask, put_together
from flows.stack.finding import Finding
from tests.engine.ray_nodes import PATIENCE, Cluster
from tests.ranker.windows import window
from tests.update.shard.test_sharded_update import UPDATE

pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
CUTOFF = 6 * DAY
SLOW = UPDATE.model_copy(update={"batch_size": 8, "epochs": 4})


@pytest.fixture(scope="module")
def cluster(nodes: list[Node]) -> Iterator[Cluster]:
    """A head with a processor."""
    with TemporaryDirectory(prefix="ecray", dir="/tmp") as room:
        cluster = Cluster(nodes, Path(room))
        with cluster.started(0):
            yield cluster


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def diagnosed(cluster: Cluster, home: Path, workers: int = 2, **about: str) -> dict[str, Finding]:
    """What the doctor says of the engine."""
    engine = cluster.engine(workers=workers)
    (home / "evercurrent.toml").write_text(
        f'[engine]\nname = "ray"\naddress = "{engine.address}"\nworkers = {workers}\npatience_seconds = 20.0\n'
    )
    asked = cluster.driver("-m", "flows.cli", "doctor", "--home", str(home), "--json", **about)
    said, _ = asked.communicate(timeout=PATIENCE)
    found = [Finding.model_validate(one) for one in json.loads(said)]
    return {one.check: one for one in found if one.check.startswith("engine")}


def test_what_is_wrong_with_a_cluster_is_said_by_the_doctor_and_a_node_of_another_version_refused_by_an_update(
    cluster: Cluster, home: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "numba-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numba\nVersion: 0.1\n")
    refused = f"node {cluster.nodes[1].address} of Ray at {cluster.engine().address} has numba 0.1, this process has "
    with cluster.started(1, path=str(other.parent)):
        found = diagnosed(cluster, home, workers=3)
        sharing = cluster.share(tmp_path, cluster.engine())
        (*_, said) = sharing.communicate(timeout=PATIENCE)[1].splitlines()
        without = diagnosed(cluster, home, RAY_AUTH_TOKEN="b" * 64)
    assert {check: one.level for check, one in found.items()} == {
        "engine": "fine",
        "engine room": "mend",
        "engine versions": "mend",
    }
    assert "has 2 processors, engine.workers is 3" in found["engine room"].said
    assert found["engine versions"].said.startswith(refused)
    assert sharing.returncode == 1 and said.startswith(f"ContractBroken: {refused}{version('numba')}; "), said
    assert {check: one.level for check, one in without.items()} == {"engine": "mend"}
    assert "lets nobody in: " in without["engine"].said and "\n" not in without["engine"].said


@pytest.mark.long
def test_a_cluster_that_works_for_somebody_else_is_busy_and_a_sound_one_is_fine(
    cluster: Cluster, home: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    ask(tmp_path, Asked(cutoff=CUTOFF, seed=1, workers=2, settings=SLOW), parent, window(3), None)
    with cluster.started(1):
        assert {one.level for one in diagnosed(cluster, home).values()} == {"fine"}
        with cluster.taken(1):
            sharing = cluster.share(tmp_path, cluster.engine(patience_seconds=5, tries=2))
            (*_, said) = sharing.communicate(timeout=PATIENCE)[1].splitlines()
    assert said.startswith("Transient: ") and "in 2 tries: " in said and "waiting for 2 workers" in said, said


@pytest.mark.long
def test_a_node_that_is_cut_off_in_mid_update_ends_it_in_a_line_and_leaves_no_checkpoint(
    cluster: Cluster, parent: Checkpoint, tmp_path: Path
) -> None:
    fresh = window(3, rows=2_000)
    ask(tmp_path, Asked(cutoff=CUTOFF, seed=1, workers=2, settings=SLOW), parent, fresh, None)
    with ExitStack() as ending:
        ending.enter_context(cluster.started(1))
        sharing = cluster.share(tmp_path, cluster.engine(patience_seconds=5, tries=2))
        ending.callback(sharing.kill)
        await_work(tmp_path)
        with cluster.nodes[1].cut_off():
            cluster.await_processors(1)
        said = sharing.communicate(timeout=2 * PATIENCE)[1]
    assert "event=try_failed try=1" in said, said
    assert said.splitlines()[-1].startswith("Transient: "), said
    with pytest.raises(ContractBroken, match="did not come to its end"):
        put_together(tmp_path, parent, 2)


def await_work(folder: Path) -> None:
    """Until both workers have begun."""
    give_up = time.monotonic() + PATIENCE
    while not all((folder / f"part-{rank}").exists() for rank in range(2)):
        assert time.monotonic() < give_up, "nobody has begun"
        time.sleep(0.05)
