"""Snapshots of a generation's memory: a service starts from the latest, and never from a damaged one."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from components.domain import HOUR, ContractBroken
from components.memory.memory import ErrorMemory
from components.publish.bundle import write_bundle
from components.publish.read_bundle import load_bundle
from components.publish.snapshot import Snapshot, read_snapshot, resumed, snapshot_path, write_snapshot
from components.serving.served import KnownOutcomes, Served
from tests.publish.conftest import NOW, RECENT_SPEC, make_content


@pytest.fixture
def released(tmp_path: Path) -> Served:
    return load_bundle(write_bundle(tmp_path / "bundles", make_content(spec=RECENT_SPEC, architecture="din")))


def taught(released: Served, item: str = "heat") -> Served:
    """A fork that has learned one like."""
    served = released.fork()
    one = (np.array(["ann"], object), np.array([item], object), np.array([NOW + HOUR]))
    served.learn(KnownOutcomes(*one, np.ones(1, np.float32), np.full(1, np.nan, np.float32)))
    return served


def keep(home: Path, served: Served, cutoff: int) -> Snapshot:
    memory = cast(ErrorMemory, served.memory)
    return write_snapshot(home, home / "memories" / f"g000001-{cutoff}", served, memory, cutoff)


def digest(served: Served) -> str:
    return cast(ErrorMemory, served.memory).digest()


def test_without_a_snapshot_the_bundle_is_what_there_is(tmp_path: Path, released: Served) -> None:
    found = resumed(tmp_path, released)
    assert found.served is released
    assert found.known_until == released.cutoff


def test_a_snapshot_brings_memory_and_history_and_says_until_when_it_knows(tmp_path: Path, released: Served) -> None:
    served = taught(released)
    keep(tmp_path, served, NOW + 2 * HOUR)
    found = resumed(tmp_path, released)
    assert found.known_until == NOW + 2 * HOUR
    assert digest(found.served) == digest(served) != digest(released)
    assert found.served.history is not None
    assert found.served.history.recent(np.array(["ann"], object))[0][0] == "heat"
    assert found.served.generation == released.generation and found.served.cutoff == released.cutoff


def test_the_latest_snapshot_is_the_one_that_knows_most(tmp_path: Path, released: Served) -> None:
    later = taught(released)
    keep(tmp_path, later, NOW + 3 * HOUR)
    keep(tmp_path, taught(released, "alien"), NOW + 2 * HOUR)
    assert digest(resumed(tmp_path, released).served) == digest(later)


def test_a_snapshot_of_another_generation_is_not_taken(tmp_path: Path, released: Served) -> None:
    keep(tmp_path, replace(taught(released), generation=2), NOW + 2 * HOUR)
    assert resumed(tmp_path, released).served is released


@pytest.mark.parametrize("damage", ["memory.safetensors", "history.parquet", "missing", "extra"])
def test_a_damaged_snapshot_is_refused_in_one_line(tmp_path: Path, released: Served, damage: str) -> None:
    folder = tmp_path / keep(tmp_path, taught(released), NOW + 2 * HOUR).folder
    if damage == "missing":
        (folder / "memory.json").unlink()
    elif damage == "extra":
        (folder / "more").write_text("x")
    else:
        (folder / damage).write_bytes((folder / damage).read_bytes()[:-1])
    with pytest.raises(ContractBroken, match=r"is not what .*g000001\.json names") as told:
        resumed(tmp_path, released)
    assert "\n" not in str(told.value)


def test_a_file_that_names_no_snapshot_is_refused_in_one_line(tmp_path: Path, released: Served) -> None:
    assert read_snapshot(tmp_path, 1) is None
    snapshot_path(tmp_path, 1).parent.mkdir()
    snapshot_path(tmp_path, 1).write_text('{"generation": 1}')
    with pytest.raises(ContractBroken, match="refresh-memory` writes a new snapshot") as told:
        resumed(tmp_path, released)
    assert "\n" not in str(told.value)


def test_a_memory_of_another_generations_model_is_refused_in_a_bundle_and_in_a_snapshot(tmp_path: Path) -> None:
    content = make_content()
    content.memory.model_digest = content.model.digest()
    released = load_bundle(write_bundle(tmp_path / "bundles", content))
    foreign = content.memory.copy()
    foreign.model_digest = make_content(seed=1).model.digest()
    keep(tmp_path, released.with_memory(foreign), NOW + HOUR)
    with pytest.raises(ContractBroken, match="a memory serves one generation"):
        resumed(tmp_path, released)
    with pytest.raises(ContractBroken, match="belongs to the model"):
        load_bundle(write_bundle(tmp_path / "others", make_content(memory=foreign)))
