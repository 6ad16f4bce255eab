"""`evercurrent evaluate`: may this policy be released, as far as somebody's own log can tell?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from components.domain import Verdict
from flows.cli.exit_codes import HELD, REFUSED
from flows.cli.options import HOME, AsJson, HomeFolder

Kind = Literal["update", "change"]
SlateModel = Literal["cascade", "independent", "additive"]
"""As in `components.evaluate.settings`; `Kind` as `components.evaluate.gate.Kind`: both modules bring numpy and scipy
with them to every other command."""


def evaluate(
    log: Annotated[Path, typer.Option(help="Logged decisions, .parquet or .csv; columns: docs/evaluate.md.")],
    target: Annotated[Path, typer.Option(help="The policy to be judged, .parquet or .csv.")],
    kind: Annotated[
        Kind, typer.Option(help="change: must be better. update: must not be worse by more than the margin.")
    ] = "change",
    margin: Annotated[
        float | None, typer.Option(help="Share of the champion's value that an update may lose; default .05.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Column of the log that is the reward.")] = "reward",
    value_range: Annotated[
        tuple[float, float] | None, typer.Option("--range", metavar="LO HI", help="Smallest and largest reward.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fit a reward model, cross-fitted; adds DM and DR.")] = False,
    estimate_propensities: Annotated[
        bool, typer.Option("--estimate-propensities", help="Where none were recorded; biased in unknown ways.")
    ] = False,
    slate_model: Annotated[
        SlateModel | None, typer.Option(help="What is assumed of users who see slates; default cascade.")
    ] = None,
    home: HomeFolder = HOME,
    page: Annotated[Path | None, typer.Option(help="Where to write the HTML page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a policy on your own log.

    Exit codes: 0 PROMOTE, 5 HOLD, 4 refused (the log cannot carry a verdict), 3 a file means nothing, 2 wrong words.
    """
    from components.evaluate.files import Reading
    from components.settings import read_settings
    from flows.cli.evaluate_report import show_evaluation
    from flows.own_log import Question, judge, write_evaluation

    reading = Reading(metric, value_range, fit, estimate_propensities)
    question = Question(log, target, kind, margin, slate_model, reading)
    if question.fault:
        raise typer.BadParameter(f"--{question.fault}")
    found = judge(question, read_settings(home / "evercurrent.toml").evaluate)
    if page:
        write_evaluation(page, found, str(log))
    if as_json:
        typer.echo(found.to_json())
    else:
        show_evaluation(found)
    if found.refused:
        raise typer.Exit(REFUSED)
    if found.verdict is not Verdict.PROMOTE:
        raise typer.Exit(HELD)
