"""The canary that is out, for the log."""

from flows.control_room.log_line import Figures
from flows.stages.results import Trial
from flows.turn import Turn


def figures(turn: Turn, trial: Trial | None) -> Figures:
    """What becomes of it."""
    if trial is None:
        return {"out": "none"}
    return {"generation": trial.generation, "verdict": trial.verdict.value, "reason": trial.reasons[0]}
