"""What counts as a reward."""

import pandas as pd
import pytest

from components.domain import ContractBroken
from components.ingest.log_rows import reward_of
from components.ingest.reward_rule import RewardRule
from tests.ingest.test_interactions import described

RATING = RewardRule(kind="rating", at_least=8)
CLICK = RewardRule(kind="click", equals=1)
VERB = RewardRule(kind="verb", one_of=("like", "share"))
PLAIN = RewardRule(kind="reward")


@pytest.mark.parametrize(
    ("rule", "value", "reward"),
    [
        (RATING, 8, 1.0),
        (RATING, "7.5", 0.0),
        (CLICK, 1, 1.0),
        (CLICK, "1", 1.0),
        (CLICK, 0, 0.0),
        (VERB, "share", 1.0),
        (VERB, "skip", 0.0),
        (PLAIN, 0.25, 0.25),
        (PLAIN, True, 1.0),
    ],
)
def test_a_value_is_judged_by_the_rule(rule, value, reward):
    assert rule.reward(rule.kind, value) == reward


@pytest.mark.parametrize(
    ("rule", "kind", "value", "message"),
    [
        (RATING, "click", 1, "kind is 'click'; this generation learns from 'rating' alone"),
        (RATING, "rating", "good", "value is 'good'; allowed is a finite number"),
        (RATING, "rating", float("nan"), "allowed is a finite number"),
        (PLAIN, "reward", 1.5, "value is 1.5; allowed is a reward from 0 to 1"),
    ],
)
def test_what_cannot_be_judged_is_refused(rule, kind, value, message):
    with pytest.raises(ContractBroken, match=message):
        rule.reward(kind, value)


def test_two_rules_at_once_are_refused():
    with pytest.raises(ValueError, match="at most one"):
        RewardRule(kind="x", at_least=1, equals=2)


@pytest.mark.parametrize(
    "rule", [{"at_least": 3}, {"equals": 1}, {"equals": "1"}, {"one_of": (1, "buy")}, {"equals": True}], ids=str
)
def test_a_column_of_a_log_and_one_answer_to_the_service_are_judged_alike(rule: dict[str, object]) -> None:
    values = [0, 1, 3, 1.0, 3.5, True, False, "1", "3"] + ([] if "at_least" in rule else ["buy", "Buy", "1.0"])
    source = described(outcome={"column": "liked", "kind": "like"} | rule)  # type: ignore[arg-type]
    in_a_log = reward_of(pd.Series(values, dtype=object, name="liked"), source, "log").tolist()
    assert in_a_log == [RewardRule.of(source).reward("like", value) for value in values]
    assert 0 < sum(in_a_log) < len(values)
