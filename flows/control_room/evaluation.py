"""The evaluation: verdict and why, values with intervals, diagnostics, guardrails. Artifact ``evaluation``."""

import math
from collections.abc import Iterable

from components.evaluate.estimate import Estimate
from components.evaluate.evaluation import Evaluation
from components.pages.turn_pages import TurnPage
from flows.control_room.links import linked_page
from flows.control_room.log_line import Figures
from flows.control_room.markdown import Cell, bullets, table, text
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import Judgement
from flows.turn import Turn


def shown(turn: Turn, judgement: Judgement) -> Iterable[Shown]:
    """One page."""
    yield Markdown("evaluation", f"{judgement.verdict.value}: {judgement.reasons[0]}", page(turn, judgement))


def page(turn: Turn, judgement: Judgement) -> str:
    """The evaluation in Markdown: what a person needs who is asked to agree."""
    body = f"# {text(judgement.verdict.value)}\n\n{bullets(judgement.reasons)}"
    if judgement.held_out is not None:
        body += f"\n{text(str(judgement.held_out))}\n"
    if judgement.evaluation is not None:
        body += _told(judgement.evaluation)
    return body + linked_page(turn, TurnPage.EVALUATION)


def figures(turn: Turn, judgement: Judgement) -> Figures:
    """For the log."""
    evaluation = judgement.evaluation
    gap = evaluation.difference if evaluation else None
    return {
        "champion": turn.champion,
        "verdict": judgement.verdict.value,
        "judged": judgement.held_out.judged if judgement.held_out else None,
        "value": judgement.value.estimate,
        "difference": gap.value if gap else None,
        "lower": gap.lower if gap else None,
        "upper": gap.upper if gap else None,
        "ess": evaluation.diagnostics.ess if evaluation else None,
        "reason": judgement.reasons[0],
    }


def _told(e: Evaluation) -> str:
    head = ("policy, estimator", "value", "95 %", "ESS", "interval")
    told = f"\n## Values, {text(e.earned)}\n\n{table(head, _values(e))}\n## Diagnostics\n\n{_diagnostics(e)}"
    if e.refused:
        refused = [(r.reason, r.figure, r.limit, r.advice) for r in e.refused]
        told += f"\n## Refused because of\n\n{table(('figure', 'found', 'limit', 'what to do'), refused)}"
    if e.guardrails:
        told += f"\n## Guardrails\n\n{_guardrails(e)}"
    if e.creep:
        told += f"\n## Creep\n\n{bullets([str(e.creep)])}"
    return told


def _values(e: Evaluation) -> list[list[Cell]]:
    """What the verdict reads first, then what else was estimated."""
    relied = e.value
    first = {"challenger less champion": e.difference, "challenger": relied, "champion": e.champion_value}
    named = [(who, estimate) for who, estimate in first.items() if estimate is not None]
    named += [("champion's parent", e.parent_value)] if e.parent_value is not None else []
    named += [("challenger", estimate) for estimate in e.estimates if estimate != relied]
    return [[f"{who}, {x.name}", x.value, _interval(x), x.ess, x.interval] for who, x in named]


def _interval(e: Estimate) -> str | None:
    """Both ends; None where there is no honest interval."""
    return f"{e.lower:.4f} to {e.upper:.4f}" if math.isfinite(e.lower) and math.isfinite(e.upper) else None


def _diagnostics(e: Evaluation) -> str:
    d = e.diagnostics
    rows: list[tuple[str, Cell]] = [
        ("requests", d.requests),
        ("users", d.users),
        ("effective sample, users", d.ess),
        ("share of them", d.ess_share),
        ("mean weight, expected 1", d.mean_weight),
        ("its distance from 1, standard errors", d.mean_weight_z),
        ("largest share of the weight of one user", d.largest_weight_share),
        ("tail index of the weights", d.pareto_k),
        ("target's probability on what was never shown", d.unsupported_mass),
        ("margin that it is judged with", e.margin),
        ("smallest difference that would have shown", e.detectable),
    ]
    return table(("figure", "value"), rows)


def _guardrails(e: Evaluation) -> str:
    rows = [
        (
            g.name,
            g.champion.value,
            f"{g.margin:.1%}",
            g.difference.value,
            _interval(g.difference),
            "passed" if g.passed else "FAILED",
        )
        for g in e.guardrails
    ]
    return table(("metric", "champion", "may fall by", "difference", "95 %", ""), rows)
