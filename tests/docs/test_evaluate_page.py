"""The page for whoever stands at the release button: what it runs, runs; what it lists is all there is."""

import dataclasses
import re
from pathlib import Path

import pytest
from typer.main import get_command

from components.evaluate import files
from components.evaluate.diagnostics import Diagnostics, diagnose, refusals
from components.evaluate.estimators import parts
from components.evaluate.settings import EvaluateSettings
from flows.cli import exit_codes
from flows.cli.commands import app
from tests.docs.test_docs import ROOT, blocks, run
from tests.evaluate.tiny import many

TEXT = (ROOT / "docs" / "evaluate.md").read_text()


def table(heading: str, nth: int = 0) -> list[str]:
    """First cells of the nth table under a heading."""
    under = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", under, re.M)
    return [row.split("|")[1].strip() for row in tables[nth].splitlines()[2:]]


def test_the_page_s_own_log_is_judged_and_its_release_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks(TEXT, "python")[0], {})
    done = run(blocks(TEXT, "sh")[0], tmp_path)
    assert "PROMOTE" in done.stdout and "release it" in done.stdout
    assert "challenger, DR" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 1000


def broken(**figures: float) -> Diagnostics:
    log, target, _ = many(200, seed=1)
    return dataclasses.replace(diagnose(log, target, parts(log, target).weight), **figures)  # type: ignore[arg-type]


def test_every_refusal_stands_in_the_page_with_what_to_do() -> None:
    s = EvaluateSettings()
    mute = broken(missing=0.1, zero=0.1, above_one=0.1, deterministic=1.0)
    weak = broken(users=3, ess=1.0, largest_weight_share=0.9, mean_weight=3.0, mean_weight_z=9.0, pareto_k=3.0)
    bare = broken(unsupported_mass=0.9, unsupported_exact=True)
    reasons = {r.reason for d in (mute, weak, bare) for r in refusals(d, s)}
    assert len(reasons) == 10
    assert reasons <= set(table("When it refuses"))


def test_every_exit_code_stands_in_the_page() -> None:
    said = {int(code) for code in table("Exit codes")}
    assert said == {0, *(getattr(exit_codes, n) for n in ("REFUSED", "HELD", "BROKEN", "USAGE", "BUSY", "FAULT"))}


def test_every_option_of_the_command_stands_in_the_page() -> None:
    command = get_command(app).commands["evaluate"]  # type: ignore[attr-defined]
    options = {o for p in command.params for o in p.opts} - {"--home", "--help"}
    assert {o for o in options if o not in TEXT} == set()


@pytest.mark.parametrize("nth", [0, 1])
def test_the_columns_of_the_page_are_those_that_are_read(nth: int) -> None:
    told = {name for cell in table("The files", nth) for name in re.findall(r"`([\w<>]+)`", cell)}
    section = (files.__doc__ or "").split("The target,")[nth]
    read = set(re.findall(r"^([a-z_<>]+) {2,}\S", section, re.M))
    assert told | {"position", "item_id"} == read | {"position", "item_id"}
