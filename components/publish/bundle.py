"""Bundles: one immutable folder per generation, enough to serve it and to tell where it came from.

::

    bundles/g000007/
        model/                  weights and vocabulary, without the optimizer
        memory/                 error memory; settings.json beside it
        policy.json  feature_spec.json  outcome.json
        users.parquet  items.parquet  servable_items.parquet  hidden_items.parquet (if any)
        id_changes.parquet      ids that got a row or lost theirs, each by name
        history.parquet         what every user liked last, where the field `recent` is used
        retrieval/              index of the servable items, where they are many
        golden.json             a few requests, and what this generation makes of them
        reports/                validation, drift, evaluation: .html and .json
        manifest.json           last: SHA-256 of every file above

A bundle is written under a temporary name and renamed whole; what is there is complete,
and is never written again.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from components.domain import ContractBroken, Transient
from components.ingest.reward_rule import RewardRule
from components.parts import Part, list_parts
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.publish.attributes_file import write_ids
from components.publish.encoder_files import write_encoder
from components.publish.golden import GOLDEN, check_arithmetic, golden_of
from components.publish.id_changes import IdChanges, write_id_changes
from components.publish.likes_file import write_likes
from components.publish.manifest import APART, MANIFEST, Manifest, Provenance, bundle_name, verify
from components.publish.read_bundle import HIDDEN, HISTORY, MEMORY, MODEL, SETTINGS
from components.publish.retrieval_file import write_retrieval
from components.ranker.features import Encoder
from components.ranker.history import History, Likes, history_width
from components.serving.catalogue import Catalogue
from components.serving.retrieval import Retrieval, fit, freshest
from components.serving.served import Served
from components.whole_file import digest_of, link_or_copy, sync_folder

if TYPE_CHECKING:
    from components.memory.memory import ErrorMemory
    from components.memory.settings import MemorySettings
    from components.ranker.model import Model


@dataclass(frozen=True, slots=True)
class BundleContent:
    """What goes into a bundle.

    `reports` maps a file name such as ``drift.html`` to its content, or to a file that is replaced whole where it is
    written again, whose bytes the bundle shares; `servable` holds the ids that a request without an
    eligible set is answered from, `hidden` those that are served to nobody, `history` what every user liked last as
    known at the cutoff: needed where the encoder has the field `recent`. `saved` is the folder of a checkpoint that
    was written of `model`: its files are the bundle's too.
    """

    provenance: Provenance
    encoder: Encoder
    model: "Model"
    memory: "ErrorMemory"
    memory_settings: "MemorySettings"
    policy: PolicySettings
    outcome: RewardRule
    servable: np.ndarray
    hidden: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    history: History | None = None
    id_changes: IdChanges | None = None
    reports: Mapping[str, bytes | Path] = field(default_factory=dict)
    saved: Path | None = None


def write_bundle(bundles: Path, content: BundleContent) -> Path:
    """Write a generation's bundle below `bundles` and return its folder.

    Writing the same turn's generation again (same parent, source and window) returns the
    bundle that is there, verified: a resumed turn repeats nothing.

    Raises
    ------
    ContractBroken
        If the number belongs to another turn's generation, or the bundle there is damaged.
    Transient
        If the disk refuses; nothing is left behind.
    """
    folder = bundles / bundle_name(content.provenance.generation)
    if folder.exists():
        return _same_turn(folder, content.provenance)
    part = bundles / f".{folder.name}.{os.getpid()}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        known = _write_parts(part, content)
        manifest = Manifest(**content.provenance.model_dump(), parts=list_parts(part, APART, known))
        _write_json(part / MANIFEST, manifest)
        _sync_tree(part)
        part.rename(folder)
        sync_folder(bundles)
    except OSError as error:
        raise Transient(
            f"cannot write bundle {folder}: {error.strerror or error}; free space and rights there are needed"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def manifest_digest(folder: Path) -> str:
    """SHA-256 of the manifest: one number that stands for the whole bundle."""
    return digest_of(folder / MANIFEST)


def _write_parts(folder: Path, content: BundleContent) -> dict[str, Part]:
    """Write everything but the manifest; the digests that are known already, by path."""
    known = _write_model(folder / MODEL, content)
    content.memory.save(folder / MEMORY)
    _write_json(folder / MEMORY / SETTINGS, content.memory_settings)
    _write_json(folder / "policy.json", content.policy)
    _write_json(folder / "outcome.json", content.outcome)
    write_encoder(folder, content.encoder)
    write_ids(folder / "servable_items.parquet", content.servable)
    if len(content.hidden):
        write_ids(folder / HIDDEN, content.hidden)
    width = history_width(content.encoder.spec)
    if width:
        write_likes(folder / HISTORY, (content.history or History(width, Likes.none())).likes())
    served = _served(content)
    check_arithmetic(folder, content.model, served)
    _write_json(folder / GOLDEN, golden_of(served))
    found = fit(served, Retrieval(), content.provenance.generation)
    if found is not None:
        write_retrieval(folder, *found)
    if content.id_changes is not None:
        write_id_changes(folder / "id_changes.parquet", content.id_changes)
    (folder / "reports").mkdir()
    for name, report in content.reports.items():
        if Path(name).name != name:
            raise ValueError(f"report is named {name!r}; allowed is a file name without folders")
        if isinstance(report, Path):
            link_or_copy(report, folder / "reports" / name)
        else:
            (folder / "reports" / name).write_bytes(report)
    return known


def _write_model(folder: Path, content: BundleContent) -> dict[str, Part]:
    from components.update.checkpoint import OPTIMIZER, read_parts, save_model

    if content.saved is None:
        save_model(content.model, folder)
        return {}
    known = {}
    for part in read_parts(content.saved):
        if part.path != OPTIMIZER and link_or_copy(content.saved / part.path, folder / part.path):
            path = f"{folder.name}/{part.path}"
            known[path] = part.model_copy(update={"path": path})
    return known


def _served(content: BundleContent) -> Served:
    """What is being written, ready to serve."""
    width, forward = history_width(content.encoder.spec), content.model.forward()
    served = Served(
        generation=content.provenance.generation,
        cutoff=content.provenance.cutoff,
        encoder=content.encoder,
        model=forward,
        memory=content.memory,
        policy=PlackettLuce(content.policy),
        outcome=content.outcome,
        servable=content.servable,
        catalogue=Catalogue.of(content.encoder, content.servable, forward) if len(content.servable) else None,
        history=(content.history or History(width, Likes.none())) if width else None,
    )
    return replace(served, freshest=freshest(served))


def _same_turn(folder: Path, provenance: Provenance) -> Path:
    there = verify(folder)
    for name in ("parent", "source", "start", "cutoff"):
        have, want = getattr(there, name), getattr(provenance, name)
        if have != want:
            raise ContractBroken(
                f"generation {provenance.generation} exists with {name} {have}, received {name} {want}; "
                "a generation's number is never reused: take the next"
            )
    return folder


def _write_json(path: Path, record: BaseModel) -> None:
    path.write_text(record.model_dump_json(indent=1) + "\n")


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
