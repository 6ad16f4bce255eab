"""Forgetting a user: out of warehouse, decision log, and whatever the next generation and memory begin with.

The service forgets at once and writes so into its log; here the rest follows, at the next turn, the next refresh of the
memory, or when a person asks. Every step may be repeated: the log names whom to forget until all else is done.
"""

import json
import os
from collections.abc import Mapping
from typing import cast

import numpy as np

from components.domain import Keys
from components.drift.reference_file import forget_in_references
from components.feature_spec import FieldOf
from components.frozen import Frozen
from components.ingest.log_lines import ForgetLine, user_digest, written
from components.ingest.log_tail import ENDING, day_of
from components.ingest.redact import as_logged, asked_to_forget, finish_redaction, redact
from components.memory.memory import ErrorMemory
from components.publish.read_bundle import load_memory, load_without_memory
from components.ranker.features import hash_ids
from components.ranker.forward import Forward
from components.ranker.hashing import AnyVocabulary
from components.serving.served import Served
from components.whole_file import write_durably
from flows.log_stream import stream_of
from flows.stages.decisions import settle_redacted
from flows.stages.drain import drain
from flows.stages.forget_in_stream import forget_in_stream, write_forget
from flows.turn import described_source, warehouse_of
from flows.workspace import Workspace
from warehouse import segments
from warehouse.connect import Warehouse
from warehouse.day_files import forget_in_days, write_beside
from warehouse.forget import forget_users, forgotten_since

REMAINS = (
    "what all users together taught: network, trust, effects of items and attributes, sums over alike states",
    "bundles, checkpoints, memories and pages that were made before; delete them when no release may return to them",
    "blocks that the warehouse's file has freed, until they are written again, and copies made before a migration",
    "homes of compared candidates (compare/), which replayed a log of their own; delete them",
)
"""What forgetting does not reach, and cannot name one person in, or what is immutable."""


class Forgotten(Frozen):
    """What was taken out of where: rows of the warehouse, lines of the decision log, requests of old days' files,
    entries of the stream that the log came from.

    `bundles` were made before, and may still name the user.
    """

    users: tuple[str, ...]
    at: int
    warehouse: dict[str, int]
    decision_log: int
    old_days: int = 0
    stream: int = 0
    bundles: tuple[str, ...]
    remains: tuple[str, ...] = REMAINS


def ask_to_forget(workspace: Workspace, user_id: str, at: int) -> None:
    """Write into the decision log that a user is to be forgotten, so that running services do so, too.

    Raises
    ------
    Transient
        If the log takes nothing.
    """
    line = ForgetLine(user_digest(user_id), at, user_id)
    stream = stream_of(workspace)
    if stream is not None:
        write_forget(stream, line)
        drain(workspace)
        return
    write_durably(workspace.decisions / f"{day_of(at)}-{os.getpid()}-{at}{ENDING}", written(line))


def forget(workspace: Workspace) -> Forgotten | None:
    """Take out whom the decision log says to forget; None if nobody. The report is kept under ``reports/forgotten``.

    Raises
    ------
    Transient
        If the disk refuses; nothing is lost, the next call goes on.
    """
    if not workspace.decisions.is_dir() or not workspace.source.exists():
        return None
    w = warehouse_of(workspace)
    asked = _asked(workspace, w)

    def settle(files: frozenset[str]) -> None:
        settle_redacted(workspace, w, files)

    if not asked:
        finish_redaction(workspace.root, settle)  # what a cut may have left half done
        return None
    keys = hash_ids(described_source(workspace).spec.fields[0].vocabulary, list(asked))
    forget_in_references(workspace.references, keys)
    rows = forget_users(w, {user: (at, int(key)) for (user, at), key in zip(asked.items(), keys, strict=True)})
    segments.forget_broken_records(w, list(map(as_logged, asked)))
    old_days = forget_in_days(w, workspace.old_facts)
    if workspace.old_facts.is_dir():
        write_beside(w, workspace.old_facts, workspace.source)
    latest, entries = max(asked.values()), forget_in_stream(workspace, asked)  # before the files forget whom to forget
    made = Forgotten(
        users=tuple(sorted(map(user_digest, asked))),
        at=latest,
        warehouse=rows,
        decision_log=redact(workspace.root, asked, settle),
        stream=entries,
        old_days=old_days,
        bundles=tuple(sorted(p.name for p in (workspace.root / "bundles").glob("g??????"))),
    )
    report = workspace.reports / "forgotten" / f"{latest}.json"
    write_durably(report, json.dumps(made.model_dump(mode="json"), indent=1).encode())
    segments.forgetting_done(w, asked)
    return made


def _asked(workspace: Workspace, w: Warehouse) -> dict[str, int]:
    """Whom the log says to forget: as far as it was read, the warehouse knows; the rest is looked through."""
    read, latest = segments.segments(w), segments.forget_asked(w)
    for user, at in asked_to_forget(workspace.root, {name: one.bytes for name, one in read.items()}).items():
        latest[user] = max(at, latest.get(user, 0))
    return latest


def released(workspace: Workspace, generation: int) -> Served:
    """A generation as it was released, without what its memory knows of users who were forgotten since."""
    return remembering(workspace, load_without_memory(workspace.bundle(generation)))


def remembering(workspace: Workspace, served: Served) -> Served:
    """The same of a generation that was read without its memory."""
    memory = load_memory(workspace.bundle(served.generation), served)
    return served.with_memory(without_forgotten(workspace, served, memory, served.cutoff))


def without_forgotten(workspace: Workspace, served: Served, memory: ErrorMemory, since: int) -> ErrorMemory:
    """A memory as of `since` without what it knows of users who were forgotten then or later."""
    keys = forgotten_keys(workspace, since)
    if len(keys):
        memory.forget(served.encoder.spec.fields[0].name, keys, _known(served))
    return memory


def forgotten_keys(workspace: Workspace, since: int) -> Keys:
    """(f,) keys of users who were forgotten at `since` or later: what was made before may know them."""
    return forgotten_since(warehouse_of(workspace), since)


def _known(served: Served) -> Mapping[str, Keys]:
    """Field -> keys of all its values that the generation has met."""
    spec, rows = served.encoder.spec, cast(AnyVocabulary, cast(Forward, served.model).vocabulary)
    found = {}
    for field in spec.keyed:
        shared = spec.vocabularies.index(field.vocabulary)
        met = [seen.keys[seen.shared == shared] for seen in (rows.by_row, rows.candidates)]
        of = served.encoder.items if field.of is FieldOf.ITEM else served.encoder.users
        met += [keys.ravel() for name, keys in of.keys.items() if name == field.name]
        if field is spec.fields[1]:
            met.append(hash_ids(field.vocabulary, of.ids.to_numpy()))
        keys = np.unique(np.concatenate(met))
        found[field.name] = keys[keys != 0]
    return found
