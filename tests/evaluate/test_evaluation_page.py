import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

from components.evaluate.evaluate import EvaluateSettings, InLoop, evaluate
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.sequential_test import SequentialTest
from tests.evaluate.tiny import many, replaced

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def evaluation():
    log, target, q = many(600, seed=1)
    day = np.arange(600) // 300
    return evaluate(log, target, np.full(len(target), 0.25), q, EvaluateSettings(), segments={"day": day})


def test_the_page_tells_verdict_reasons_and_segments(evaluation):
    html = unescape(evaluation_page(evaluation, "Evaluation of generation 7", truth=0.51))
    assert "PROMOTE" in html
    assert evaluation.reasons[0] in html
    assert "day = 0" in html and "day = 1" in html
    assert "smallest detectable" in html


def test_an_evaluation_is_read_back_as_it_was_told(evaluation):
    log, target, q = many(400, seed=2)
    refused = evaluate(replaced(log, propensity=np.full(400, np.nan)), target, target, q, EvaluateSettings())
    line = evaluate(log, target, target, q, EvaluateSettings(), loop=InLoop(SequentialTest(champion=1, kind="update")))
    for told in (evaluation, refused, line):
        assert read_evaluation(told.to_json()).to_json() == told.to_json()
        assert evaluation_page(read_evaluation(told.to_json()), "x", 0.5) == evaluation_page(told, "x", 0.5)
    assert line.sequential_test.turns == 1 and read_evaluation(line.to_json()).rest == line.rest


def test_the_page_shows_all_turns_beside_this_one():
    log, target, q = many(600, seed=1)
    champion, line = np.full(len(target), 0.25), SequentialTest(champion=1, kind="update")
    for _ in range(2):
        found = evaluate(log, target, champion, q, EvaluateSettings(), loop=InLoop(line))
        line = found.sequential_test
    html = unescape(evaluation_page(found, "Evaluation"))
    assert "1,200" in html and "requests of 2 turns" in html and "the gate: 2 turns" in html
    assert "asymptotic sequence: without a good enough challenger it promotes with at most 0.25% over all" in html


def test_a_day_too_small_to_judge_is_kept_for_later():
    log, target, q = many(30, seed=1)
    found = evaluate(
        log,
        target,
        np.full(120, 0.25),
        q,
        EvaluateSettings(),
        loop=InLoop(SequentialTest(champion=1, kind="update")),
    )
    assert found.refused and found.sequential_test.state.count == 30 and found.sequential_test.looks == 0
    assert found.reasons[-1] == "kept for later: 30 held-out requests of 1 turn so far"
    broken = replaced(log, propensity=np.full(30, np.nan))
    assert (
        evaluate(broken, target, target, q, EvaluateSettings(), loop=InLoop(found.sequential_test)).sequential_test
        == found.sequential_test
    )


def test_the_page_asks_nothing_of_the_network(evaluation):
    html = evaluation_page(evaluation, "Evaluation")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?http", html)


def test_a_refused_log_has_a_page_without_values():
    log, target, q = many(400, seed=2)
    refused = evaluate(replaced(log, propensity=np.full(400, np.nan)), target, target, q, EvaluateSettings())
    html = unescape(evaluation_page(refused, "Refused"))
    assert "No value" in html and "share of missing propensities" in html
    assert "The model alone says" in html
    assert "Values with" not in html


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_draws_the_forest_the_floor_the_tail_and_the_truth(evaluation, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(evaluation_page(evaluation, "Evaluation", truth=0.51))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command = [BROWSER, *flags, "--virtual-time-budget=8000", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    drawn = unescape(re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL))
    assert len(re.findall(r"<svg class=\"plot", drawn)) >= 4
    assert len(re.findall(r"<line class=\"whisker", drawn)) >= 9
    for words in ("challenger, DR", "champion, DR", "true value 0.5100", "floor -0.0", "importance weight"):
        assert words in drawn, words
