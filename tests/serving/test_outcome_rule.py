"""What counts as a reward."""

import pytest

from components.domain import ContractBroken
from components.serving.outcome_rule import OutcomeRule

RATING = OutcomeRule(kind="rating", at_least=8)
CLICK = OutcomeRule(kind="click", equals=1)
VERB = OutcomeRule(kind="verb", one_of=("like", "share"))
PLAIN = OutcomeRule(kind="reward")


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
        OutcomeRule(kind="x", at_least=1, equals=2)
