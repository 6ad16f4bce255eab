"""A turn of the loop with one hand in it: between the update and the verdict somebody breaks the challenger.

The same stage functions in the same order as `flows.daily_loop`, without an orchestrator; with nothing broken it
ends in the same bits. No flag of the production path leads here.
"""

from flows.drill.scene import Sabotage, Scene
from flows.stages.canary import watch_canary
from flows.stages.close import close_turn
from flows.stages.drift import measure_drift
from flows.stages.evaluate import evaluate
from flows.stages.halt import halt
from flows.stages.idle import idle
from flows.stages.memory import refresh_memory
from flows.stages.publish import publish
from flows.stages.read import read
from flows.stages.results import Challenger
from flows.stages.update import learn_held_out, update
from flows.stages.validate import validate
from flows.turn import TurnRecord, open_turn
from flows.workspace import Workspace
from warehouse import facts


def drilled_turn(workspace: Workspace, cutoff: int, sabotage: Sabotage | None = None) -> TurnRecord:
    """One turn up to `cutoff` over what was ingested, its challenger broken by `sabotage`."""
    with workspace.held():
        turn = open_turn(workspace, cutoff)
        if turn.is_empty:
            return idle(turn)
        validated = validate(turn, cutoff)
        if validated.unsound:
            return halt(turn, validated, validated.unsound)
        data = read(turn)
        drift = measure_drift(turn, data)
        if drift.halts:
            return halt(turn, validated, drift)
        champion = refresh_memory(turn, data)
        trial = watch_canary(turn)
        challenger = update(turn, drift, data, champion, trial)
        if sabotage and champion and isinstance(challenger, Challenger):
            requests = facts.window_requests(turn.warehouse, turn.window)
            challenger = sabotage(Scene(turn, data, champion, requests), challenger)
        judgement = evaluate(turn, data, champion, challenger, trial)
        successor = learn_held_out(turn, data, challenger, judgement)
        published = publish(turn, data, successor, judgement, trial)
        return close_turn(turn, validated, drift, successor, judgement, published)
