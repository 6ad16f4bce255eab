"""What tests of an engine lean on: a model that is learned on, and two nodes of this machine."""

import os
import shutil
from collections.abc import Iterator

import pytest

from benchmarks.nodes import Node, nodes_of
from components.domain import EvercurrentError
from components.update.checkpoint import Checkpoint
from components.update.train import pretrain
from tests.ranker.windows import SPEC, window
from tests.update.shard.test_sharded_update import RANKER, UPDATE


@pytest.fixture(scope="session")
def nodes() -> Iterator[list[Node]]:
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("nodes are root's to make, with iproute2")
    try:
        with nodes_of(2) as made:
            yield made
    except EvercurrentError as error:
        pytest.skip(f"no network namespaces here: {error}")


@pytest.fixture(scope="session")
def parent() -> Checkpoint:
    return pretrain(SPEC, window(0), RANKER, UPDATE, 7).checkpoint
