"""What speaks against a challenger whatever it is worth: it cannot answer, or could never be answered for."""

from dataclasses import replace

from components.domain import Refused, Verdict, iso
from components.evaluate.evaluation import Evaluation
from components.evaluate.evaluation_page import refused_page
from components.pages.page import write_page
from components.pages.turn_pages import BEFORE_EVALUATION, TurnPage
from flows.stages.choices import Choices
from flows.stages.results import Challenger
from flows.turn import Turn


def without_scores(made: Choices) -> Refused | None:
    """Why a challenger cannot be asked for its choices, or None."""
    broken = made.unrated / made.entries if made.entries else 0.0
    advice = "it could not answer a request: look at the training rows, and at the losses under [update]"
    return Refused("share of the challenger's scores that are not finite", broken, 0.0, advice) if broken else None


def with_foreign_memory(challenger: Challenger) -> Refused | None:
    """Why the challenger's memory is not its own, or None: a memory corrects the errors of one model."""
    if challenger.memory.belongs_to(challenger.checkpoint.model.digest()):
        return None
    advice = "it corrects errors that this model does not make: rebase it on the weights it is published with"
    return Refused("memories that belong to another generation's model", 1, 0, advice)


def unless_refused(refused: Refused | None, evaluation: Evaluation) -> Evaluation:
    """The evaluation; where something speaks against the challenger it is not promoted, and the reasons say why."""
    if refused is None:
        return evaluation
    verdict = Verdict.HOLD if evaluation.verdict is Verdict.PROMOTE else evaluation.verdict
    return replace(evaluation, verdict=verdict, reasons=(f"refused: {refused}", *evaluation.reasons))


def write_refusal(turn: Turn, reasons: tuple[str, ...]) -> None:
    """The page of a turn whose challenger nobody could weigh: why."""
    title = f"Evaluation, {iso(turn.window.start)[:10]} to {iso(turn.window.cutoff)[:10]}"
    write_page(turn.pages / TurnPage.EVALUATION.file, refused_page(reasons, title, BEFORE_EVALUATION))
