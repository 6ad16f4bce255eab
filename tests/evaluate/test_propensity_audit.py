"""Propensities that are right pass, for any kind of user; wrong ones are refused, and the likely cause is named."""

import time

import numpy as np
import pytest

from components.evaluate.evaluate import evaluate
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.propensity_audit import audit
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.settings import EvaluateSettings
from tests.evaluate.audit_worlds import world
from tests.evaluate.tiny import many, replaced

S = EvaluateSettings()


@pytest.mark.parametrize("slate", [1, 3])
def test_sound_logs_of_returning_users_pass(slate: int) -> None:
    for seed in range(15):
        found = audit(*world(700, seed, slate=slate), S)
        assert found is not None and not found.failed, found
        assert found.cells >= 4


def test_hardly_any_sound_log_is_refused() -> None:
    """Of 1,000 logs of 300 uniform decisions each, one may be refused at the level of .001; four would be too many."""
    failed = 0
    for seed in range(1000):
        log, _, _ = many(300, seed=seed)
        found = audit(log, np.full(log.entries, 0.25), np.arange(log.entries) % 4, S)
        failed += found is not None and found.failed
    assert failed <= 4


@pytest.mark.parametrize("n", [1000, 3000])
@pytest.mark.parametrize(
    ("fault", "slate", "cause"),
    [
        ("constant", 1, "one constant was logged"),
        ("permuted", 1, "propensities permuted"),
        ("marginal", 3, "conditional and marginal probabilities mixed up"),
        ("temperature", 1, "another temperature or exploration"),
        ("temperature", 3, "another temperature or exploration"),
    ],
)
def test_wrong_propensities_are_refused_and_the_cause_is_named(fault: str, slate: int, cause: str, n: int) -> None:
    found = audit(*world(n, 3, fault, slate), S)
    assert found is not None and found.failed
    assert found.cause.startswith(cause)
    (refused,) = found.refusals
    assert found.worst[0].cell in refused.advice and cause in refused.advice


def test_a_rounding_error_of_one_percent_is_no_reason_to_refuse() -> None:
    log, policy, item = world(4000, 5)
    found = audit(replaced(log, propensity=log.propensity * 1.01), policy, item, S)
    assert found is not None and not found.failed


def test_missing_propensities_and_logs_without_a_choice_are_left_to_the_diagnostics() -> None:
    log, policy, item = world(100, 6)
    assert audit(replaced(log, propensity=np.full(len(log), np.nan)), policy, item, S) is None
    assert audit(log.take(np.arange(20)), policy[log.entries_of(np.arange(20))], None, S) is None


def test_a_failed_audit_holds_and_stands_on_the_page_and_in_the_json() -> None:
    log, policy, item = world(1000, 7, "temperature")
    found = evaluate(log, policy, policy, None, S, item=item)
    assert found.refused and found.audit is not None and found.audit.failed
    assert found.reasons[0].startswith("refused: ")
    assert read_evaluation(found.to_json()).audit == found.audit
    assert "Audit of the logged propensities" in evaluation_page(found, "title")


def test_a_million_decisions_are_audited_in_seconds() -> None:
    log, _, _ = many(200_000, seed=1)
    begun = time.process_time()
    assert audit(log, np.full(log.entries, 0.25), np.arange(log.entries) % 4, S) is not None
    assert time.process_time() - begun < 5, "a fifth of a million took a fraction of a second where it was written"
