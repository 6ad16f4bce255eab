"""Refresh the champion's memory: it learns what matured in the window, held-out outcomes apart.

With held-out outcomes it is a snapshot that the service starts from.
"""

import json
import shutil
from dataclasses import asdict, replace
from typing import cast

import numpy as np

from components.domain import Bools
from components.evaluate.creep import Standing
from components.memory.gain import learn_all, learn_and_score
from components.memory.memory import ErrorMemory
from components.publish.manifest import MANIFEST
from components.publish.read_bundle import check_memory
from components.publish.snapshot import write_snapshot
from components.serving.served import Served
from components.settings import read_settings
from flows.stages.forget import released, remembering, without_forgotten
from flows.stages.read import read_fresh
from flows.stages.results import Champion, Remembered, TurnData
from flows.stages.training_data import TrainingData, read_history
from flows.turn import Turn, described_source, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.records import Memory, Trusted


def refresh_memory(turn: Turn, data: TurnData) -> Champion | None:
    """The champion with what matured in the window in its memory; None before the first generation.

    It starts from the memory as of the window's start, whatever refreshes came in between:
    those know held-out outcomes, and the result must not depend on when they ran.
    """
    if data.champion is None:
        return None
    made = remembering(turn.workspace, data.champion)
    served, known_until = as_of(turn.workspace, made, turn.window.start)
    unknown = unknown_rows(served, made, data, known_until)
    live = learn_and_keep(turn, replace(served, history=data.history), data.fresh, unknown)
    blind = _blind(turn, made, served, data, known_until)
    generation = served.generation
    parent, standing = ledger.generation(turn.warehouse, generation).parent, _standing(turn, generation)
    earlier = {g for g in (parent, standing.anchor) if g is not None and g != generation and _there(turn, g)}
    beside = {g: _taught(turn, data, g) for g in sorted(earlier)}
    _refresh_canary(turn, data)
    return Champion(live, served.with_memory(blind), beside.get(parent or 0), standing, beside.get(standing.anchor))


def keep_as_it_was(turn: Turn) -> None:
    """Write the memories of the champion, and of a canary, as of the window's start under its cutoff.

    For a window that is set aside: they know everything before its end that may be known, and a service begins there.
    """
    out = ledger.canary_of_turn(turn.warehouse, turn.window.cutoff)
    answering = {turn.champion, None if out is None else out.generation}
    for generation in sorted(g for g in answering if g is not None):
        served, _ = as_of(turn.workspace, released(turn.workspace, generation), turn.window.start)
        history = read_history(turn.warehouse, turn.source, turn.window.cutoff)
        keep(turn, replace(served, history=history), cast(ErrorMemory, served.memory))


def as_of(workspace: Workspace, made: Served, until: int) -> "tuple[Served, int]":
    """A released generation with its latest memory as of `until`, and the instant up to which that memory knows.

    What users liked last is as known at `until`.
    """
    w = warehouse_of(workspace)
    if made.history is not None and until != made.cutoff:
        made = replace(made, history=read_history(w, described_source(workspace), until))
    kept = ledger.last_memory(w, made.generation, until)
    if kept is None:
        return made, made.cutoff
    settings = read_settings(workspace.settings).memory
    memory = ErrorMemory.load(workspace.root / kept.folder, made.encoder.spec, settings)
    check_memory(workspace.root / kept.folder, memory, cast(ErrorMemory, made.memory).model_digest)
    return made.with_memory(without_forgotten(workspace, made, memory, kept.cutoff)), kept.cutoff


def unknown_rows(served: Served, made: Served, data: TurnData, known_until: int) -> Bools:
    """(n,) what of the fresh rows a memory does not know: a bundle's knows none of them, a snapshot's what matured."""
    if served.memory is made.memory:
        return np.ones(len(data.fresh), bool)
    return data.fresh.matured_at >= known_until


def _blind(turn: Turn, made: Served, served: Served, data: TurnData, known_until: int) -> ErrorMemory:
    """The memory of the champion, `made` as it was released, without what this turn or a later one judges by.

    A snapshot knows what had matured; where part of a slate had that is to be judged, the memory is made again from
    the bundle, which knows nothing of it.
    """
    unknown = unknown_rows(served, made, data, known_until)
    if (~unknown & ~data.learned_before(turn.window.start)).any():
        served, unknown = made, np.ones(len(data.fresh), bool)
    return learned(served, data.fresh, unknown & data.is_open)


def learned(served: Served, data: TrainingData, wanted: Bools) -> ErrorMemory:
    """Its memory, with the rows where `wanted` holds."""
    memory = cast(ErrorMemory, served.memory.copy())
    learn_all(memory, data.arrived, served.model.predict, np.flatnonzero(wanted))
    return memory


def learn_and_keep(turn: Turn, served: Served, data: TrainingData, wanted: Bools) -> Remembered:
    """Write its memory, with the rows where `wanted` holds, as a snapshot. The memory goes; what is told of it stays.

    `served` has its history as known at the cutoff.
    """
    memory = cast(ErrorMemory, served.memory.copy())
    gain = learn_and_score(memory, data.arrived, served.model.predict, np.flatnonzero(wanted))
    keep(turn, served, memory)
    return Remembered.of(served.generation, memory, gain)


def keep(turn: Turn, served: Served, live: ErrorMemory) -> None:
    """Write the snapshot; those of the same window that two later ones superseded go: nothing reads them."""
    made = write_snapshot(
        turn.workspace.root,
        turn.workspace.memory(served.generation, turn.window.cutoff),
        served,
        live,
        turn.window.cutoff,
    )
    ledger.record_memory(turn.warehouse, Memory(**made.model_dump()))
    trust = json.dumps(asdict(live.trust_report()))
    ledger.record_trust(turn.warehouse, Trusted(generation=made.generation, cutoff=made.cutoff, trust=trust))
    for old in ledger.superseded_memories(turn.warehouse, served.generation, turn.window):
        ledger.forget_memory(turn.warehouse, old)
        shutil.rmtree(turn.workspace.root / old.folder, ignore_errors=True)


def _refresh_canary(turn: Turn, data: TurnData) -> None:
    """Let the memory of a canary that is out learn what the champion's does: it answers requests, too."""
    out = ledger.canary_of_turn(turn.warehouse, turn.window.cutoff)
    if out is None or out.generation == turn.champion:
        return
    sent = released(turn.workspace, out.generation)
    served, known_until = as_of(turn.workspace, sent, turn.window.start)
    rows = read_fresh(turn, data.encoder, sent.cutoff).rows
    wanted = np.ones(len(rows), bool) if served.memory is sent.memory else rows.matured_at >= known_until
    keep(turn, replace(served, history=data.history), learned(served, rows, wanted))


def _there(turn: Turn, generation: int) -> bool:
    """Whether its bundle is still kept: after a roll-back far enough, a parent may have been pruned."""
    return (turn.workspace.bundle(generation) / MANIFEST).exists()


def _standing(turn: Turn, generation: int) -> Standing:
    """What the champion stands on; one that a person put there is its own anchor."""
    told = ledger.standing(turn.warehouse, generation)
    return Standing.of(generation) if told is None else Standing.from_json(told)


def _taught(turn: Turn, data: TurnData, generation: int) -> Served:
    """An earlier generation, taught what the blind champion was: would it have done better?"""
    made = released(turn.workspace, generation)
    served, known_until = as_of(turn.workspace, made, turn.window.start)
    matured = data.fresh.matured_at
    if ((matured < known_until) & ~data.learned_before(turn.window.start)).any():
        rest = read_fresh(turn, data.encoder, made.cutoff)
        return made.with_memory(learned(made, rest.rows, rest.open))
    return served.with_memory(learned(served, data.fresh, (matured >= known_until) & data.is_open))
