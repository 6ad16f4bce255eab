"""What the Prefect UI shows of a turn: a table for validation and drift, a page of text for evaluation and release.

Prefect's pages cannot embed HTML, so each artifact says where the full report lies.
"""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.stages.results import DriftFound, Judgement, Published, ValidatedWindow
from flows.turn import Turn


def announce_validation(turn: Turn, validated: ValidatedWindow) -> None:
    """Counts of the window, and what was set aside why."""
    found = validated.validation
    reasons = found.quarantined["reason"].value_counts()
    rows = [
        {"figure": "requests", "value": found.statistics.requests},
        {"figure": "impressions", "value": found.statistics.impressions},
        {"figure": "accepted", "value": found.statistics.accepted},
        *({"figure": f"quarantined: {reason}", "value": int(count)} for reason, count in reasons.items()),
    ]
    create_table_artifact(rows, key="validation", description=_where(turn, "validation"))


def announce_drift(turn: Turn, drift: DriftFound) -> None:
    """The action and its reasons."""
    rows = [{"action": drift.action.value, "reason": reason} for reason in drift.reasons]
    create_table_artifact(rows, key="drift", description=_where(turn, "drift"))


def announce_evaluation(turn: Turn, judgement: Judgement) -> None:
    """Verdict, reasons, and the estimates with their intervals."""
    lines = [f"# {judgement.verdict}", "", *(f"- {reason}" for reason in judgement.reasons), ""]
    if judgement.evaluation:
        lines += ["| estimator | value | lower | upper | ESS |", "|---|---|---|---|---|"]
        lines += [
            f"| {e.name} | {e.value:.4f} | {e.lower:.4f} | {e.upper:.4f} | {e.ess:.0f} |"
            for e in judgement.evaluation.estimates
        ]
    lines += ["", _where(turn, "evaluation")]
    create_markdown_artifact("\n".join(lines), key="evaluation", description=f"Evaluation of {turn.window}")


def announce_release(turn: Turn, published: Published) -> None:
    """The generation made, and who is champion now."""
    made = "no generation" if published.generation is None else f"generation {published.generation}"
    text = f"# Champion: generation {published.champion}\n\nThe turn made {made}; digest `{published.digest[:16]}`."
    create_markdown_artifact(text, key="release", description=f"Release of {turn.window}")


def _where(turn: Turn, report: str) -> str:
    return f"{turn.window}; full report: {turn.pages / report}.html"


def said_of_window(validated: ValidatedWindow) -> str:
    """A window in one line."""
    counts = validated.validation.statistics
    return f"{counts.requests} requests, {counts.accepted} of {counts.impressions} impressions accepted"


def said_of_drift(drift: DriftFound) -> str:
    """What drift asks for, and why."""
    return "; ".join([drift.action.value, *drift.reasons])


def said_of_verdict(judgement: Judgement) -> str:
    """The verdict, and why."""
    return "; ".join([judgement.verdict.value, *judgement.reasons])


def said_of_release(published: Published) -> str:
    """What was made, and who answers."""
    made = "no generation" if published.generation is None else f"generation {published.generation}"
    return f"{made}; champion is generation {published.champion}"
