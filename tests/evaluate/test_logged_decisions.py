import numpy as np
import pytest

from components.domain import ContractBroken
from components.evaluate.logged_decisions import check_model, check_policy
from tests.evaluate.tiny import tiny


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reward": [1.0, np.nan, 0.0, 1.0]}, "row 1, column reward: nan"),
        ({"reward": [1.0, 0.0, np.inf, 1.0]}, "row 2, column reward: inf"),
        ({"reward": [1.0, 0.0, 0.0, -1.0]}, "row 3, column reward: -1.0"),
        ({"action": [0, 3, 4, 8]}, "row 3, column action: 8 is outside its eligible set; allowed is 6 to 7"),
        ({"action": [0, 1, 4, 7]}, "row 1, column action: 1 is outside its eligible set; allowed is 2 to 3"),
        ({"offsets": [0, 2, 2, 6, 8]}, "row 1, column eligible: 0"),
        ({"offsets": [0, 2, 4, 6]}, "offsets have shape (4,); allowed are 5 values"),
        ({"propensity": [0.5]}, "column propensity has shape (1,); allowed is (4,)"),
        ({"position": [0, 1, 0, 0]}, "row 1, column position: 1"),
        ({"request": [10, 10, 12, 13]}, "row 1, column position: 0"),
        ({"p_drop": [0.0, 1.0, 0.0, 0.0]}, "row 1, column p_drop: 1.0"),
        ({"logging": [0.5, 0.5]}, "column logging has shape (2,); allowed is (8,)"),
        ({"logger_share": [1.0]}, "come together"),
        ({"logger_share": [0.4, 0.4], "logger_propensity": np.ones((4, 2))}, "logger_share sums to 0.8"),
        ({"logger_share": [1.0], "logger_propensity": np.ones((4, 2))}, "logger_propensity has shape (4, 2)"),
    ],
)
def test_a_log_that_means_nothing_is_refused_with_row_and_column(changed, message):
    with pytest.raises(ContractBroken) as error:
        tiny(**changed)
    assert message in str(error.value)


def test_an_empty_log_is_an_error():
    empty = {name: [] for name in ("request", "position", "action", "propensity", "reward", "at", "logger")}
    with pytest.raises(ContractBroken, match="the log is empty"):
        tiny(**empty, offsets=[0])


def test_doubtful_propensities_are_no_error_of_the_table():
    assert np.isnan(tiny(propensity=[np.nan, 0.0, 2.0, 1.0]).propensity[0])


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([0.5, 0.5, 0.5, 0.4, 1.0, 0.0, 0.5, 0.5], "target of row 1 sums to 0.9 over its eligible set"),
        ([0.5, 0.5, 1.5, -0.5, 1.0, 0.0, 0.5, 0.5], "target of row 1 holds -0.5"),
        ([0.5, 0.5, 0.5, 0.5, np.nan, 0.0, 0.5, 0.5], "target of row 2 holds nan"),
        ([0.5, 0.5], "target has shape (2,)"),
    ],
)
def test_a_policy_that_is_no_distribution_is_an_error_naming_the_row(policy, message):
    with pytest.raises(ContractBroken) as error:
        check_policy(tiny(), np.array(policy), "target")
    assert message in str(error.value)


def test_a_model_with_an_infinite_value_is_an_error_naming_the_row():
    with pytest.raises(ContractBroken, match="q of row 3 holds inf"):
        check_model(tiny(), np.array([0.0] * 7 + [np.inf]))


def test_requests_of_a_slate_are_summed_and_multiplied_within_and_never_across():
    log = tiny(request=[10, 10, 12, 12], position=[0, 1, 0, 1])
    assert log.requests == 2
    np.testing.assert_array_equal(log.per_request(np.array([1.0, 2.0, 3.0, 4.0])), [3.0, 7.0])
    np.testing.assert_array_equal(log.running_product(np.array([2.0, 3.0, 5.0, 7.0])), [2.0, 6.0, 5.0, 35.0])


def test_taking_requests_keeps_each_row_with_its_entries():
    log = tiny(request=[10, 10, 12, 13], position=[0, 1, 0, 0], offsets=[0, 3, 5, 6, 8], action=[2, 3, 5, 7])
    kept = log.take(np.array([True, False, True]))
    np.testing.assert_array_equal(kept.request, [10, 10, 13])
    np.testing.assert_array_equal(kept.offsets, [0, 3, 5, 7])
    np.testing.assert_array_equal(kept.action, [2, 3, 6])
    np.testing.assert_array_equal(np.flatnonzero(log.entries_of([0, 2])), [0, 1, 2, 3, 4, 6, 7])
