"""Update: a challenger from what matured since the champion was made, and, after the verdict, what was held out."""

from typing import cast

import numpy as np

from components.domain import DriftAction, Verdict
from components.evaluate.gate import Kind
from components.memory.gain import learn_all
from components.memory.memory import ErrorMemory
from components.policy.plackett_luce import PlackettLuce
from components.update.checkpoint import load_checkpoint
from flows.engine.update import pretrained, warm_started
from flows.stages.canary import without_challenger
from flows.stages.forget import forgotten_keys
from flows.stages.results import Challenger, Champion, DriftFound, Judgement, NoChallenger, Trial, TurnData
from flows.turn import Turn

WAYS_ON = {
    DriftAction.NONE: "no new generation: nothing matured; look at the source's outcome column and attribution",
    DriftAction.REFRESH_MEMORY: "no new generation: too few outcomes for one; the memory has learned them",
}
"""What a turn without a new generation says of it, after the rule, its figure and its limit."""


def update(
    turn: Turn, drift: DriftFound, data: TurnData, champion: Champion | None, trial: Trial | None = None
) -> Challenger | NoChallenger:
    """The challenger: a warm start of the champion, or a model from scratch where there is none or drift asks for it.

    None is made where drift asks for none, while a canary is out, and where training diverged.
    """
    if trial is not None:
        return without_challenger(trial)
    if drift.action in WAYS_ON:
        return NoChallenger((*drift.reasons, WAYS_ON[drift.action]))
    if champion is None or drift.action is DriftAction.REBUILD:
        return _from_scratch(turn, data, champion)
    return _warm(turn, drift, data, champion)


def learn_held_out(
    turn: Turn, data: TurnData, challenger: Challenger | NoChallenger, judgement: Judgement
) -> Challenger | None:
    """The generation to publish: after a promotion it also learns the held-out outcomes, so that freshness is not lost.

    They are predicted before they are learned: by the challenger that was judged. It stays as it was, and so does one
    on hold: a stage that is tried again learns nothing twice.
    """
    if isinstance(challenger, NoChallenger):
        return None
    if judgement.verdict is not Verdict.PROMOTE or not data.held.any():
        return challenger
    judged = challenger.checkpoint
    made = warm_started(turn, judged, data.held_out, None)
    if made.diverged:
        return challenger
    memory = challenger.memory.copy()  # after training, which needs room of its own
    learn_all(memory, data.fresh.arrived, judged.model.predict, np.flatnonzero(data.held))
    memory.rebase(made.checkpoint.model.predict, made.checkpoint.model.digest())
    return Challenger(made.checkpoint, memory, challenger.policy, challenger.kind, challenger.update.then(made))


def _from_scratch(turn: Turn, data: TurnData, champion: Champion | None) -> Challenger:
    settings, spec, fresh = turn.settings, turn.source.spec, data.open
    made = pretrained(turn, fresh)
    amounts = turn.source.outcome.amounts is not None
    memory = ErrorMemory.empty(spec, made.checkpoint.model.hidden_size, settings.memory, turn.seed, amounts=amounts)
    memory.prime(fresh)
    memory.model_digest = made.checkpoint.model.digest()
    kind: Kind | None = None if champion is None else "change"
    return Challenger(made.checkpoint, memory, PlackettLuce(settings.policy), kind, made)


def _warm(turn: Turn, drift: DriftFound, data: TurnData, champion: Champion) -> Challenger | NoChallenger:
    parent = load_checkpoint(turn.workspace.checkpoint(champion.blind.generation))
    parent.model.forget(forgotten_keys(turn.workspace, champion.blind.cutoff))
    replayed = None if data.replayed is None else data.replayed.matured
    made = warm_started(turn, parent, data.open, replayed)
    if made.diverged:
        return NoChallenger.diverged(made.diverged)
    memory = cast(ErrorMemory, champion.blind.memory.copy())
    memory.rebase(made.checkpoint.model.predict, made.checkpoint.model.digest())
    return Challenger(made.checkpoint, memory, _policy(turn, drift.action), "update", made)


def _policy(turn: Turn, action: DriftAction) -> PlackettLuce:
    """The exploration of the settings, widened on request; a widened policy narrows again with the next update."""
    base = turn.settings.policy
    return PlackettLuce(base.widened(2.0) if action is DriftAction.WIDEN_EXPLORATION else base)
