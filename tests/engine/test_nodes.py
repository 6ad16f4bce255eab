"""An update over two nodes of this machine that have nothing but a cable between them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.nodes import Node
from components.domain import DAY, ContractBroken, Matured
from components.update.checkpoint import Checkpoint
from components.update.settings import UpdateSettings
from components.update.shard.files import Asked, ask, put_together
from components.update.warm_start import warm_start
from tests.ranker.windows import window
from tests.update.shard import workers
from tests.update.shard.test_sharded_update import UPDATE
from tests.update.test_warm_start import assert_same

WAIT = 15
"""Seconds that a worker waits for the others: long enough to find them on a busy machine."""
LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], 7)) as listening:
    print(flush=True)
    while True:
        caller, _ = listening.accept()
        with caller:
            caller.sendall(b"here")
"""
CALL = "import socket, sys; assert socket.create_connection((sys.argv[1], 7), 1).recv(4) == b'here'"
"""A network around this machine may answer whoever calls whatever address: it does not say the word."""
CUTOFF = 6 * DAY


@pytest.fixture
def listening(nodes: list[Node]) -> Iterator[Node]:
    """The first node, while somebody listens there."""
    command = [*nodes[0].within, sys.executable, "-c", LISTEN, nodes[0].address]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        yield nodes[0]
        process.kill()


def reaches(node: Node, other: Node) -> bool:
    called = subprocess.run([*node.within, sys.executable, "-c", CALL, other.address], check=False, capture_output=True)
    return called.returncode == 0


def test_nodes_reach_each_other_by_their_cables_alone(nodes: list[Node], listening: Node) -> None:
    assert reaches(nodes[1], listening)
    assert not reaches(Node("", ""), listening), "this machine is no node"
    with nodes[1].cut_off():
        assert not reaches(nodes[1], listening)
    give_up = time.monotonic() + 10
    while not reaches(nodes[1], listening):  # it was told that nobody is there, and believes it for a second
        assert time.monotonic() < give_up
    assert [node.address for node in nodes] == sorted({node.address for node in nodes})


def asked(folder: Path, parent: Checkpoint, epochs: int) -> tuple[Matured, UpdateSettings]:
    """An update that takes longer the more passes it makes."""
    fresh, settings = window(3, rows=3_000), UPDATE.model_copy(update={"batch_size": 8, "epochs": epochs})
    ask(folder, Asked(cutoff=CUTOFF, seed=1, workers=2, settings=settings), parent, fresh, None)
    return fresh, settings


def test_an_update_over_two_nodes_is_that_of_one_process_also_if_the_cable_is_out_for_a_moment(
    nodes: list[Node], parent: Checkpoint, tmp_path: Path
) -> None:
    fresh, settings = asked(tmp_path, parent, epochs=4)
    with workers.at_work(tmp_path, nodes) as started:
        with nodes[1].cut_off():
            time.sleep(1)  # the cable's, not the test's
            assert all(worker.poll() is None for worker in started), "it was over before the cable was out"
        assert [worker.wait(workers.PATIENCE) for worker in started] == [0, 0]
    alone = warm_start(parent, fresh, None, CUTOFF, settings, 1)
    assert_same(alone.checkpoint, put_together(tmp_path, parent, 2).checkpoint)


def test_an_update_whose_cable_is_cut_ends_in_a_line_in_time_and_leaves_no_checkpoint(
    nodes: list[Node], parent: Checkpoint, tmp_path: Path
) -> None:
    asked(tmp_path, parent, epochs=500)
    with workers.at_work(tmp_path, nodes, WAIT) as started, nodes[1].cut_off():
        begin = time.monotonic()
        said = [worker.communicate(timeout=workers.PATIENCE)[1].splitlines()[-1] for worker in started]
        assert time.monotonic() - begin < workers.PATIENCE / 2
    assert [worker.returncode for worker in started] == [1, 1]
    for rank, line in enumerate(said):
        assert line.startswith(f"error: worker {rank} of 2 lost the others: "), line
    with pytest.raises(ContractBroken, match="did not come to its end"):
        put_together(tmp_path, parent, 2)


def test_workers_that_never_meet_say_so_in_a_line(nodes: list[Node], parent: Checkpoint, tmp_path: Path) -> None:
    asked(tmp_path, parent, epochs=1)
    with nodes[1].cut_off():
        started = workers.start(tmp_path, 2, nodes, WAIT)
        for line in (worker.communicate(timeout=workers.PATIENCE)[1].splitlines()[-1] for worker in started):
            assert line.startswith("error: the workers did not find each other: "), line
    assert not list(tmp_path.glob("part-*"))
