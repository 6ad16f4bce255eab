"""A released generation in BentoML's stores: its bundle as a model, and a Bento that serves it anywhere.

Both are keyed by generation and content, so a resumed turn finds what is there. Nothing
is resolved from an index: the Bento names the versions that are installed here.

The Bento holds the service's code and nothing of the flows; which bundle it serves without
a home stands in ``bundle_tag.txt`` beside that code.
"""

import shutil
import tempfile
from pathlib import Path

from components.domain import EvercurrentError, Transient
from components.publish.bundle import manifest_digest
from components.publish.manifest import verify
from components.whole_file import link_or_copy
from flows.stages.bento_packages import OURS, packages

MODEL, SERVICE, BUNDLE = "evercurrent_bundle", "bento.service:Evercurrent", "bundle"
ROOT = Path(__file__).resolve().parents[2]


def enter_model_store(bundle: Path) -> str:
    """Enter a bundle into the model store, whole, and return its tag.

    Raises
    ------
    ContractBroken
        If the bundle is damaged.
    Transient
        If the store cannot be written.
    """
    import bentoml

    manifest = verify(bundle)
    tag = f"{MODEL}:{_version(bundle)}"
    labels = {"generation": str(manifest.generation), "source": manifest.source}
    metadata = {"cutoff": manifest.cutoff, "parent": manifest.parent or 0, "manifest": manifest_digest(bundle)}
    try:
        if not _has(bentoml.models, tag):
            with bentoml.models.create(tag, labels=labels, metadata=metadata) as model:
                (Path(model.path) / BUNDLE).mkdir()  # apart from the store's own files, which BentoML copies twice
        share_files(bundle, Path(bentoml.models.get(tag).path) / BUNDLE)
    except OSError as error:
        raise Transient(f"cannot enter {bundle.name} into the model store: {error.strerror or error}") from None
    return tag


def share_files(bundle: Path, copy: Path) -> None:
    """Make `copy` a bundle that lies where the bundle does (hard links), so that the disk holds one of both.

    Bundles never change, and both are verified by the same digests. A file system that cannot do it gets a copy. What
    was cut short is completed by doing it again.
    """
    for part in (p for p in sorted(bundle.rglob("*")) if p.is_file()):
        twin = copy / part.relative_to(bundle)
        if not (twin.exists() and twin.samefile(part)):
            link_or_copy(part, twin)


def build_bento(bundle: Path) -> str:
    """Build the Bento of a bundle, entering it into the model store if need be, and return its tag.

    Raises
    ------
    ContractBroken, Transient
        As `enter_model_store`.
    """
    import bentoml

    model, tag = enter_model_store(bundle), f"evercurrent:{_version(bundle)}"
    if _has(bentoml.bentos, tag):
        return tag
    with tempfile.TemporaryDirectory(prefix="evercurrent-bento-") as folder:
        _stage(Path(folder), model)
        try:
            bentoml.bentos.build(
                SERVICE,
                name="evercurrent",
                version=_version(bundle),
                build_ctx=folder,
                include=["*"],
                models=[model],
                labels={"model": model},
                python={"packages": list(packages(ROOT)), "lock_packages": False},
            )
        except OSError as error:
            raise Transient(f"cannot build the Bento of {bundle.name}: {error.strerror or error}") from None
    return tag


def _version(bundle: Path) -> str:
    return f"{bundle.name}-{manifest_digest(bundle)[:12]}"


def _has(store: object, tag: str) -> bool:
    import bentoml

    try:
        store.get(tag)  # type: ignore[attr-defined]
    except bentoml.exceptions.NotFound:
        return False
    return True


def _stage(folder: Path, model: str) -> None:
    for name in OURS:
        if not (ROOT / name).is_dir():
            raise EvercurrentError(f"no package {name} beside {ROOT / 'flows'}; install the project whole")
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bundle_tag.txt").write_text(model)
