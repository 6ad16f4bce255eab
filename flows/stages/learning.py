"""Learn: what matured since the champion was made goes into the champion's memory and into a challenger."""

from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from components.domain import Bools, DriftAction, Matured, Refused, Verdict
from components.evaluate.holdout import held_out
from components.memory.memory import ErrorMemory
from components.policy.plackett_luce import PlackettLuce
from components.publish.bundle import load_bundle
from components.serving.served import Served
from components.settings import read_settings
from components.update.checkpoint import load_checkpoint
from components.update.replay_buffer import sample
from components.update.train import pretrain
from components.update.warm_start import warm_start
from flows.stages.results import Challenger, Drift, Incumbent, Judgement, Learnable
from flows.stages.training_data import Known, read_encoder, read_history, read_matured
from flows.turn import Turn, described_source
from flows.workspace import Workspace
from warehouse import query
from warehouse.connect import warehouse


def read_learnable(turn: Turn) -> Learnable:
    """Read what has matured, and choose by hash what is held out."""
    source, window = turn.source, turn.window
    with warehouse(turn.home.warehouse) as connection:
        since = 0
        if turn.champion is not None:
            since = int(str(query.rows(connection, "06_ledger/generation", generation=turn.champion)[0]["cutoff"]))
        encoder = read_encoder(connection, source)
        fresh = read_matured(connection, source, encoder, since, window.cutoff)
        replayed = turn.champion is not None and turn.settings.update.replay_share > 0
        past = read_matured(connection, source, encoder, 0, since) if replayed else None
        servable = query.frame(connection, "04_update/servable", source=source.name, cutoff=window.cutoff)
        history = read_history(connection, source, source.spec, window.cutoff)
    return Learnable(encoder, servable["item_id"].to_numpy(object), fresh, _held(turn, fresh.frame), past, history)


def refresh_memory(turn: Turn, learnable: Learnable) -> Incumbent | None:
    """Write what matured in the window into the champion's memory; None before the first generation.

    It starts from the memory as of the window's start, whatever refreshes came in between:
    those know held-out outcomes, and the result must not depend on when they ran.
    """
    if turn.champion is None:
        return None
    served, known_until = last_served(turn.home, turn.champion, turn.window.start)
    since = learnable.fresh.frame["matured_at"].to_numpy() >= known_until
    live = _remember(served, learnable.fresh.take(since))
    blind = _remember(served, learnable.fresh.take(since & ~learnable.held))
    folder = turn.home.memory(turn.champion, turn.window.cutoff)
    live.save(folder)
    with warehouse(turn.home.warehouse) as connection:
        query.execute(
            connection,
            "06_ledger/record_memory",
            generation=turn.champion,
            cutoff=turn.window.cutoff,
            folder=str(folder.relative_to(turn.home.root)),
            digest=live.digest(),
        )
    return Incumbent(served.with_memory(live), served.with_memory(blind), _parent(turn, learnable))


def last_served(home: Workspace, generation: int, until: int) -> "tuple[Served, int]":
    """A generation with its latest memory as of `until`, and the instant up to which that memory knows.

    What users liked last is as known at `until`.
    """
    served = load_bundle(home.bundle(generation))
    with warehouse(home.warehouse) as connection:
        found = query.rows(connection, "06_ledger/last_memory", generation=generation, cutoff=until)
        if served.history is not None and until != served.cutoff:
            history = read_history(connection, described_source(home), served.encoder.spec, until)
            served = replace(served, history=history)
    if not found:
        return served, served.cutoff
    memory = ErrorMemory.load(
        home.root / str(found[0]["folder"]), served.encoder.spec, read_settings(home.settings).memory
    )
    return served.with_memory(memory), int(str(found[0]["cutoff"]))


def update(turn: Turn, drift: Drift, learnable: Learnable, incumbent: Incumbent | None) -> Challenger | Refused | None:
    """The challenger: a warm start of the champion, or a model from scratch where there is none or drift asks for it.

    None where drift asks for no new generation; `Refused` where training diverged.
    """
    settings, source, action = turn.settings, turn.source, drift.action
    if action in (DriftAction.NONE, DriftAction.REFRESH_MEMORY, DriftAction.HALT):
        return None
    if incumbent is None or action is DriftAction.REBUILD:
        data = learnable.open.matured
        made = pretrain(source.spec, data, settings.ranker, settings.update, turn.seed)
        memory = ErrorMemory.empty(source.spec, made.checkpoint.model.hidden_size, settings.memory, turn.seed)
        memory.prime(data)
        return Challenger(
            made.checkpoint, memory, PlackettLuce(settings.policy), None if incumbent is None else "change", made
        )
    parent = load_checkpoint(turn.home.checkpoint(incumbent.live.generation))
    made = warm_start(
        parent, learnable.open.matured, _replay(turn, learnable), turn.window.cutoff, settings.update, turn.seed
    )
    if made.diverged:
        return made.diverged
    memory = cast(ErrorMemory, incumbent.blind.memory.copy())
    memory.rebase(made.checkpoint.model.predict)
    return Challenger(made.checkpoint, memory, _policy(turn, action, incumbent), "update", made)


def learn_held_out(
    turn: Turn, learnable: Learnable, challenger: Challenger | Refused | None, judgement: Judgement
) -> Challenger | None:
    """The generation to publish: after a promotion it also learns the held-out outcomes, so that freshness is not lost.

    They are predicted before they are learned. A challenger on hold stays as it was judged.
    """
    if not isinstance(challenger, Challenger):
        return None
    held = learnable.held_out
    if judgement.verdict is not Verdict.PROMOTE or not len(held):
        return challenger
    model = challenger.checkpoint.model
    memory = challenger.memory.copy()
    memory.write(held.arrived, model.predict(held.examples), held.matured.reward, held.matured.grade)
    made = warm_start(challenger.checkpoint, held.matured, None, turn.window.cutoff, turn.settings.update, turn.seed)
    if made.diverged:
        return challenger
    memory.rebase(made.checkpoint.model.predict)
    return Challenger(made.checkpoint, memory, challenger.policy, challenger.kind, challenger.update.then(made))


def _held(turn: Turn, fresh: pd.DataFrame) -> Bools:
    if turn.champion is None:
        return np.zeros(len(fresh), bool)
    chosen = held_out(fresh["user_id"].to_numpy(object), turn.window.cutoff, turn.settings.evaluate.holdout_share)
    return chosen & (fresh["at"].to_numpy() >= turn.window.start)


def _remember(served: Served, known: Known) -> ErrorMemory:
    memory = cast(ErrorMemory, served.memory.copy())
    if len(known):
        matured = known.matured
        memory.write(known.arrived, served.model.predict(known.examples), matured.reward, matured.grade)
    return memory


def _parent(turn: Turn, learnable: Learnable) -> Served | None:
    """The champion's parent, taught what the blind champion was: would it have done better?"""
    with warehouse(turn.home.warehouse) as connection:
        parent = query.rows(connection, "06_ledger/generation", generation=turn.champion)[0]["parent"]
    if parent is None:
        return None
    served, known_until = last_served(turn.home, int(str(parent)), turn.window.start)
    since = learnable.open.frame["matured_at"].to_numpy() >= known_until
    return served.with_memory(_remember(served, learnable.open.take(since)))


def _replay(turn: Turn, learnable: Learnable) -> Matured | None:
    if learnable.past is None:
        return None
    rows = min(turn.settings.update.replay_rows, round(turn.settings.update.replay_share * len(learnable.open)))
    return sample(learnable.past.matured, rows, 30.0, turn.seed)


def _policy(turn: Turn, action: DriftAction, incumbent: Incumbent) -> PlackettLuce:
    """The champion's exploration, widened on request; a widened policy narrows again with the next update."""
    base = turn.settings.policy
    return PlackettLuce(base.widened(2.0) if action is DriftAction.WIDEN_EXPLORATION else base)
