import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.evaluate.evaluate import EvaluateSettings, evaluate
from components.evaluate.files import evaluable, read_evaluable

LOG = pd.DataFrame(
    {
        "request_id": ["r2", "r1", "r3"],
        "item_id": ["a", "b", "c"],
        "reward": [1.0, 0.0, 1.0],
        "propensity": [0.5, 0.25, 0.2],
        "timestamp": ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01.5Z", "2024-01-02T00:00:00Z"],
    }
)
TARGET = pd.DataFrame(
    {
        "request_id": ["r1", "r1", "r2", "r2", "r3", "r3"],
        "item_id": ["a", "b", "b", "a", "c", "a"],
        "probability": [0.3, 0.7, 0.4, 0.6, 1.0, 0.0],
    }
)


def test_rows_keep_the_log_s_order_and_find_their_own_entries():
    e = evaluable(LOG, TARGET)
    np.testing.assert_array_equal(e.log.offsets, [0, 2, 4, 6])
    np.testing.assert_allclose(e.target[e.log.action], [0.6, 0.7, 1.0])
    assert e.log.at[1] - e.log.at[0] == 1_500_000


def test_without_a_champion_the_logger_is_the_champion_and_weighs_one():
    e = evaluable(LOG, TARGET)
    np.testing.assert_allclose(e.champion[e.log.action], LOG["propensity"])
    np.testing.assert_allclose(e.log.per_row(e.champion), 1.0)


def test_positions_from_one_are_read_as_from_zero():
    log = LOG.assign(request_id=["r1", "r1", "r3"], position=[1, 2, 1], item_id=["a", "b", "c"])
    target = pd.DataFrame(
        {
            "request_id": ["r1", "r1", "r1", "r3"],
            "item_id": ["a", "b", "b", "c"],
            "position": [1, 1, 2, 1],
            "probability": [0.3, 0.7, 1.0, 1.0],
        }
    )
    e = evaluable(log, target)
    np.testing.assert_array_equal(e.log.position, [0, 1, 0])
    np.testing.assert_array_equal(e.log.eligible, [2, 1, 1])


@pytest.mark.parametrize(
    ("log", "target", "message"),
    [
        (LOG.drop(columns="propensity"), TARGET, "the log lacks column propensity"),
        (LOG, TARGET.drop(columns="probability"), "the target lacks column probability"),
        (LOG.iloc[:0], TARGET, "the log is empty"),
        (LOG.iloc[:1], TARGET, "row 0 is the only decision"),
        (LOG.assign(reward=[1.0, np.nan, 0.0]), TARGET, "row 1, column reward: nan"),
        (
            LOG.assign(reward=[1.0, -1.0, 0.0]),
            TARGET,
            "log, row 1, column reward: -1; allowed are finite numbers from 0",
        ),
        (LOG.assign(reward=["1", "much", "0"]), TARGET, "log, row 1, column reward: 'much' is no number"),
        (LOG.assign(item_id=["a", "z", "c"]), TARGET, "log, row 1, column item_id: z is outside"),
        (LOG.assign(request_id=["r2", "r9", "r3"]), TARGET, "log, row 1, column request_id: the target has no row"),
        (LOG.assign(request_id=["r2", "r1", "r1"]), TARGET, "log, row 2: request_id and position occur a second time"),
        (LOG.assign(timestamp=["x", "y", "z"]), TARGET, "log, row 0, column timestamp"),
        (LOG.assign(reward=[1.0, 0.0, np.inf]), TARGET, "log, row 2, column reward: inf; allowed are finite numbers"),
        (LOG.assign(reward=[-np.inf, 0.0, 1.0]), TARGET, "log, row 0, column reward: -inf; allowed are finite"),
        (
            LOG.assign(reward=[np.nan, 0.0, np.nan]),
            TARGET,
            "log, row 0, column reward: nan; allowed are finite numbers",
        ),
        (LOG.assign(p_drop=[0.5, 0.5, 1.5]), TARGET, "log, row 2, column p_drop: 1.5"),
        (
            LOG,
            TARGET.assign(probability=[0.3, 0.3, 0.4, 0.6, 1.0, 0.0]),
            "target, row 0, column probability: over the eligible set of request r1, position 0, it sums to 0.6",
        ),
        (LOG, TARGET.assign(probability=[0.3, 0.7, 0.4, 0.6, 1.5, -0.5]), "target, row 4, column probability: 1.5"),
        (LOG, TARGET.assign(probability=[0.3, 0.7, 0.4, 0.6, np.nan, 1.0]), "target, row 4, column probability: nan"),
        (LOG, TARGET.assign(champion=[0.3, 0.7, 0.4, 0.5, 1.0, 0.0]), "target, row 2, column champion: over"),
        (LOG, TARGET.assign(champion=0.5, q=[0, 0, 0, np.inf, 0, 0]), "target, row 3, column q: inf"),
        (LOG, TARGET.assign(q=0.5), "lacks column champion"),
    ],
)
def test_files_that_mean_nothing_are_refused_with_row_and_column(log, target, message):
    with pytest.raises(ContractBroken) as error:
        evaluable(log, target)
    assert message in str(error.value)


def test_a_row_is_numbered_as_in_the_file_however_the_log_is_ordered():
    log = pd.concat([LOG, LOG.assign(position=1)]).fillna({"position": 0}).reset_index(drop=True)
    with pytest.raises(ContractBroken, match=r"log, row 4, column reward: -2"):
        evaluable(log.assign(reward=[0, 0, 0, 0, -2.0, 0]), TARGET)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_read_alike_as_csv_and_parquet(tmp_path, suffix):
    for name, frame in (("log", LOG), ("target", TARGET)):
        path = tmp_path / f"{name}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    e = read_evaluable(tmp_path / f"log{suffix}", tmp_path / f"target{suffix}")
    np.testing.assert_allclose(e.target[e.log.action], [0.6, 0.7, 1.0])


def test_a_missing_file_and_a_truncated_one_are_one_line(tmp_path):
    with pytest.raises(ContractBroken, match="no file at"):
        read_evaluable(tmp_path / "none.csv", tmp_path / "none.csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(ContractBroken, match="cannot be read") as error:
        read_evaluable(broken, broken)
    assert "\n" not in str(error.value)


def test_a_missing_propensity_is_read_and_then_refused():
    e = evaluable(LOG.assign(propensity=[0.5, np.nan, 0.2]), TARGET)
    assert "missing" in str(evaluate(e.log, e.target, e.champion, None, EvaluateSettings()).refused[0])
