"""`evercurrent evaluate` as a flow: a policy judged on files, asked for from the UI or by another system."""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from components.evaluate.evaluation import Evaluation
from components.evaluate.files import Reading
from components.evaluate.gate import Kind
from components.evaluate.settings import SlateModel
from components.settings import read_settings
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.own_log import Question, judge, write_evaluation
from flows.workspace import enter


@flow(name="evaluate", on_running=[hear], on_failure=[tell_failure])
def evaluate(
    log: str,
    target: str,
    home: str = ".evercurrent",
    kind: Kind = "change",
    margin: float | None = None,
    metric: str = "reward",
    value_range: tuple[float, float] | None = None,
    fit: bool = False,
    estimate_propensities: bool = False,
    slate_model: SlateModel | None = None,
    page: str | None = None,
) -> str:
    """Judge the policy `target` on the decisions `log`, both files of docs/evaluate.md.

    Parameters
    ----------
    home : whose settings are read; nothing else there is.
    kind : change must be better; update must not be worse by more than `margin`.
    page : where to write the HTML page.

    Returns
    -------
    One line: PROMOTE or HOLD, or that the log is refused, and why. All three are answers.

    Raises
    ------
    ContractBroken
        If a file or a parameter means nothing.
    """
    workspace = enter(Path(home))
    reading = Reading(metric, value_range, fit, estimate_propensities)
    question = Question(Path(log), Path(target), kind, margin, slate_model, reading)
    found = judge(question, read_settings(workspace.settings).evaluate)
    if page:
        write_evaluation(Path(page), found, log)
    create_markdown_artifact(_told(found), key="evaluation", description=f"{target} judged on {log}")
    return "; ".join(["refused" if found.refused else found.verdict.value, *found.reasons])


def _told(found: Evaluation) -> str:
    """Verdict, reasons, and every estimate with its interval."""
    lines = [f"# {'refused' if found.refused else found.verdict}", "", *(f"- {why}" for why in found.reasons), ""]
    lines += [f"- warning: {warning}" for warning in found.warnings]
    lines += ["", "| estimator | value | lower | upper | ESS |", "|---|---|---|---|---|"]
    lines += [f"| {e.name} | {e.value:.4f} | {e.lower:.4f} | {e.upper:.4f} | {e.ess:.0f} |" for e in found.estimates]
    return "\n".join(lines)
