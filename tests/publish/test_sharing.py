"""Bundles share their files with a checkpoint, and those written before there were layers serve on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.domain import ContractBroken
from components.parts import list_parts
from components.publish.bundle import write_bundle
from components.publish.golden import check_golden
from components.publish.manifest import APART, MANIFEST, verify
from components.publish.read_bundle import load_bundle
from components.ranker.layer_files import BASE_FILES, CHANGE_FILES, TABLE
from components.ranker.model import Model
from components.serving.served import RankRequests, Served
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.publish.conftest import ITEMS, NOW, make_content
from tests.update import before_layers


def learned(model: Model, ids: int) -> Model:
    """The model, after it met users and items and gave them rows of their own."""
    examples = make_content().encoder.encode(
        np.array([["ann", "bob", "cyd"][n % 3] for n in range(ids)], object),
        np.array([ITEMS["item_id"][n % 5] for n in range(ids)], object),
        np.full(ids, NOW),
        {},
    )
    model.observe(examples)
    model.turn_over(1, 0, 0)
    rows = np.unique(model.rows(examples.keys))[1:]
    drawn = np.random.default_rng(ids).normal(size=(len(rows), model.table.layers.own.shape[1]))
    model.table.put(rows, drawn.astype(np.float32))
    return model


def asked(served: Served) -> np.ndarray:
    request = RankRequests.of(["ann", "stranger"], np.full(2, NOW), [ITEMS["item_id"].to_numpy(object)] * 2)
    return served.score_eligible(served.informed(request)).score


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A home with a whole generation and one of changes, checkpoints and bundles."""
    content = make_content()
    save_checkpoint(Checkpoint.fresh(learned(content.model, 15)), tmp_path / "checkpoints" / "1")
    child = load_checkpoint(tmp_path / "checkpoints" / "1")
    learned(child.model, 2)
    save_checkpoint(child, tmp_path / "checkpoints" / "2")
    for number, model in (("1", content.model), ("2", child.model)):
        saved = tmp_path / "checkpoints" / number
        made = make_content(int(number), model=model, saved=saved)
        made.memory.model_digest = model.digest()
        write_bundle(tmp_path / "bundles", made)
    return tmp_path


def test_a_bundle_and_its_checkpoint_lie_on_the_disk_once_and_serve_what_a_bundle_by_itself_serves(two: Path) -> None:
    for part in (two / "bundles" / "g000002" / "model").iterdir():
        assert part.samefile(two / "checkpoints" / "2" / part.name)
    assert (two / "bundles" / "g000002" / "model" / TABLE).samefile(two / "bundles" / "g000001" / "model" / TABLE)
    assert not (two / "bundles" / "g000002" / "model" / "optimizer.safetensors").exists()
    model = load_checkpoint(two / "checkpoints" / "2").model
    alone = write_bundle(two / "alone", make_content(2, model=model))
    shared = load_bundle(two / "bundles" / "g000002")
    assert asked(shared).tobytes() == asked(load_bundle(alone)).tobytes()
    check_golden(two / "bundles" / "g000002", shared)
    assert asked(shared).tobytes() != asked(load_bundle(two / "bundles" / "g000001")).tobytes()


def test_a_bundle_is_whole_without_its_parent_and_wherever_it_is_copied_to(two: Path) -> None:
    expected = asked(load_bundle(two / "bundles" / "g000002"))
    shutil.rmtree(two / "bundles" / "g000001")
    shutil.rmtree(two / "checkpoints")
    shutil.copytree(two / "bundles" / "g000002", two / "elsewhere" / "g000002")
    shutil.rmtree(two / "bundles")
    assert asked(load_bundle(two / "elsewhere" / "g000002")).tobytes() == expected.tobytes()


def test_a_generation_that_answers_goes_on_when_it_is_pruned(two: Path) -> None:
    served = load_bundle(two / "bundles" / "g000002")
    expected = asked(served)
    shutil.rmtree(two)
    assert asked(served).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", [*BASE_FILES, *CHANGE_FILES])
@pytest.mark.parametrize("fault", ["exchanged", "missing", "flipped"])
def test_a_base_or_changes_that_are_not_the_generations_own_are_refused(two: Path, name: str, fault: str) -> None:
    folder = two / "bundles" / "g000002"
    part = folder / "model" / name
    raw = bytearray(part.read_bytes())
    part.unlink()
    if fault == "flipped":
        raw[-1] ^= 1
        part.write_bytes(raw)
    elif fault == "exchanged":
        other = make_content(seed=5)
        save_checkpoint(Checkpoint.fresh(learned(other.model, 15)), two / "other")
        there = two / "other" / name
        shutil.copyfile(there if there.exists() else two / "other" / "model.json", part)
        if part.read_bytes() == raw:  # the same ids, so the same index
            part.write_bytes(bytes(raw) + b"\0")
    with pytest.raises(ContractBroken) as refused:
        load_bundle(folder)
    said = str(refused.value)
    assert "\n" not in said and f"bundle {folder}, part model/{name}: the manifest says" in said


@pytest.mark.parametrize("name", [*BASE_FILES, *CHANGE_FILES])
def test_layers_that_do_not_fit_are_refused_even_where_a_manifest_vouches_for_them(two: Path, name: str) -> None:
    folder = two / "bundles" / "g000002"
    (folder / "model" / name).unlink()
    np.save(folder / "model" / name, np.zeros((2, 2), np.float32))
    _sign_off(folder)
    verify(folder)
    with pytest.raises(ContractBroken) as refused:
        load_bundle(folder)
    assert "\n" not in str(refused.value) and f"no readable model in {folder / 'model'}" in str(refused.value)


@pytest.mark.parametrize("fault", ["unsorted", "too far", "too few"])
def test_changes_of_rows_that_cannot_be_are_refused(two: Path, fault: str) -> None:
    folder = two / "bundles" / "g000002"
    path = folder / "model" / "changed.npy"
    changed = np.load(path)
    path.unlink()
    if fault == "unsorted":
        changed = changed[::-1].copy()
    elif fault == "too far":
        changed[-1] = 10**6
    else:
        changed = changed[:-1]
    np.save(path, changed)
    _sign_off(folder)
    with pytest.raises(ContractBroken, match="no readable model in"):
        load_bundle(folder)


def before(home: Path, digest: str | None = None) -> tuple[Path, Model]:
    """A bundle as 0.3 wrote it."""
    content = make_content()
    learned(content.model, 15)
    content.memory.model_digest = digest or before_layers.digest(content.model)
    folder = write_bundle(home, content)
    shutil.rmtree(folder / "model")
    before_layers.write_model(content.model, folder / "model")
    _sign_off(folder, format=1)
    return folder, content.model


def test_a_bundle_from_before_there_were_layers_serves_the_same_bits(tmp_path: Path) -> None:
    folder, model = before(tmp_path / "old")
    served = load_bundle(folder)
    check_golden(folder, served)
    new = make_content(model=model)
    new.memory.model_digest = model.digest()
    assert asked(served).tobytes() == asked(load_bundle(write_bundle(tmp_path / "new", new))).tobytes()


def test_its_memory_still_has_to_be_its_own(tmp_path: Path) -> None:
    folder, _ = before(tmp_path, digest="0" * 64)
    with pytest.raises(ContractBroken, match=r"memory at .* belongs to the model 000000000000, this generation's"):
        load_bundle(folder)


def _sign_off(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    parts = [part.model_dump() for part in list_parts(folder, APART)]
    (folder / MANIFEST).write_text(json.dumps(manifest | {"parts": parts} | changes))
