"""A policy judged on somebody's own log of decisions: two files in, an evaluation out."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.domain import ContractBroken
from components.evaluate.evaluate import evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.files import Reading, read_evaluable
from components.evaluate.gate import Kind
from components.evaluate.settings import EvaluateSettings, SlateModel
from components.pages.page import write_page


@dataclass(frozen=True)
class Question:
    """What is asked of two files: may the target be released instead of what was logged?

    Attributes
    ----------
    log, target : files of docs/evaluate.md, .parquet or .csv.
    kind : change must be better; update must not be worse by more than `margin`, a share of the champion's value.
    margin, slate_model : None: as the settings have them.
    """

    log: Path
    target: Path
    kind: Kind = "change"
    margin: float | None = None
    slate_model: SlateModel | None = None
    reading: Reading = field(default_factory=Reading)

    @property
    def fault(self) -> str | None:
        """What is wrong with the words of the question, or None."""
        if self.margin is not None and not 0 <= self.margin <= 1:
            return f"margin is {self.margin:g}; allowed is a share from 0 to 1"
        if self.margin is not None and self.kind == "change":
            return "margin is read with kind update alone: a change must be better, by any amount"
        low, high = self.reading.value_range or (0.0, 1.0)
        if not (0 <= low < high and math.isfinite(high)):
            return f"range is {low:g} {high:g}; allowed are two numbers from 0, the smaller one first"
        return None


def judge(question: Question, settings: EvaluateSettings) -> Evaluation:
    """The verdict, its reasons, and every estimate.

    Raises
    ------
    ContractBroken
        If the question is none, or a file means nothing.
    """
    if question.fault:
        raise ContractBroken(question.fault)
    told = {"margin": question.margin, "slate_model": question.slate_model}
    settings = settings.model_copy(update={name: value for name, value in told.items() if value is not None})
    given = read_evaluable(question.log, question.target, question.reading)
    found = evaluate(
        given.log,
        given.target,
        given.champion,
        given.q,
        settings,
        value_range=given.value_range,
        kind=question.kind,
        metric=question.reading.metric,
        item=given.item,
    )
    return replace(found, propensities=given.propensities, warnings=given.warnings)


def write_evaluation(path: Path, found: Evaluation, log: str) -> None:
    """The page of an evaluation."""
    write_page(path, evaluation_page(found, f"Evaluation on {log}"))
