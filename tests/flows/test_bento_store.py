"""Releases in BentoML's stores."""

import pytest

pytest.importorskip("bentoml")

from pathlib import Path

from components.domain import ContractBroken
from components.publish.bundle import write_bundle
from components.publish.read_bundle import load_bundle
from tests.publish.conftest import make_content


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The stores of a fresh home; BentoML keeps the first home of a process, so it is told of this one."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    for name in ("bentos", "models", "tmp"):
        (tmp_path / "bentoml" / name).mkdir(parents=True)
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    stores = BentoMLContainer
    with_home = stores.bentoml_home
    kept = (stores.model_store_dir, stores.bento_store_dir, stores.model_store, stores.bento_store)
    before = with_home.get()
    with_home.set(str(tmp_path / "bentoml"))
    for part in kept:
        part.reset()
    yield tmp_path
    with_home.set(before)
    for part in kept:
        part.reset()


def test_a_bento_carries_the_service_and_the_bundle_and_nothing_of_the_flows(store):
    import bentoml

    from flows.stages.bento_store import build_bento

    tag = build_bento(write_bundle(store / "bundles", make_content()))
    bento = bentoml.bentos.get(tag)
    source = Path(bento.path_of("src"))
    names = {path.name for path in source.iterdir()}
    assert tag.startswith("evercurrent:g000001-")
    assert {"bento", "components", "bundle_tag.txt"} <= names
    assert not {"flows", "warehouse", "tests"} & names
    model = bentoml.models.get((source / "bundle_tag.txt").read_text())
    assert load_bundle(Path(model.path) / "bundle").generation == 1
    assert bento.info.models[0].tag == model.tag


def test_a_bundle_and_its_copy_in_the_store_lie_on_the_disk_once(store):
    import bentoml

    from flows.stages.bento_store import enter_model_store

    bundle = write_bundle(store / "bundles", make_content(reports={"once.json": b"{}"}))
    copy = Path(bentoml.models.get(enter_model_store(bundle)).path) / "bundle"
    for part in (p for p in bundle.rglob("*") if p.is_file()):
        assert (copy / part.relative_to(bundle)).samefile(part)
    assert not list(copy.rglob(".*"))


def test_a_file_system_without_hard_links_keeps_the_copy(store, monkeypatch):
    import bentoml

    from flows.stages.bento_store import enter_model_store

    def refused(self, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    bundle = write_bundle(store / "bundles", make_content(reports={"twice.json": b"{}"}))
    copy = Path(bentoml.models.get(enter_model_store(bundle)).path) / "bundle"
    assert load_bundle(copy).generation == 1
    assert not (copy / "manifest.json").samefile(bundle / "manifest.json")


def test_entering_twice_changes_nothing(store):
    from flows.stages.bento_store import build_bento, enter_model_store

    bundle = write_bundle(store / "bundles", make_content())
    assert enter_model_store(bundle) == enter_model_store(bundle)
    assert build_bento(bundle) == build_bento(bundle)


def test_a_damaged_bundle_is_not_entered(store):
    from flows.stages.bento_store import enter_model_store

    bundle = write_bundle(store / "bundles", make_content())
    (bundle / "policy.json").write_text("{}")
    with pytest.raises(ContractBroken, match=r"part policy\.json"):
        enter_model_store(bundle)
