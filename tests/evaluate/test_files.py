import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.evaluate.evaluate import EvaluateSettings, evaluate
from components.evaluate.files import Reading, evaluable, read_evaluable

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


def test_without_a_champion_nobody_is_invented_and_the_reader_is_told():
    e = evaluable(LOG, TARGET)
    assert e.champion is None
    assert any("compared with what was logged" in w for w in e.warnings)
    assert not any("champion" in w for w in evaluable(LOG, TARGET.assign(champion=TARGET["probability"])).warnings)


def test_users_are_read_and_their_absence_is_a_warning():
    assert any("user of its own" in w for w in evaluable(LOG, TARGET).warnings)
    e = evaluable(LOG.assign(user_id=["u", "v", "u"]), TARGET)
    assert e.log.users == 2
    np.testing.assert_array_equal(e.log.user, [0, 1, 0])
    assert not any("user" in w for w in e.warnings)


def test_another_column_is_the_reward_and_its_range_is_checked_in_the_file():
    log = LOG.assign(revenue=[3.0, 7.5, 0.0])
    np.testing.assert_allclose(evaluable(log, TARGET, Reading("revenue", (0, 10))).log.reward, [3, 7.5, 0])
    with pytest.raises(ContractBroken, match=r"log, row 1, column revenue: 7.5; the range given is 0 to 5"):
        evaluable(log, TARGET, Reading("revenue", (0, 5)))
    with pytest.raises(ContractBroken, match="the log lacks column clicks"):
        evaluable(log, TARGET, Reading("clicks"))


def test_an_unknown_range_stays_unknown():
    assert evaluable(LOG, TARGET).value_range == (0, np.inf)
    assert any("--range" in w for w in evaluable(LOG, TARGET).warnings)
    assert not any("--range" in w for w in evaluable(LOG, TARGET, Reading(value_range=(0, 2))).warnings)


def test_columns_of_several_loggers_become_their_propensities_and_shares():
    log = LOG.assign(generation=[7, 9, 7], propensity_7=[0.5, 0.1, 0.2], propensity_9=[0.3, 0.25, 0.6])
    e = evaluable(log, TARGET)
    np.testing.assert_allclose(e.log.logger_propensity, [[0.5, 0.3], [0.1, 0.25], [0.2, 0.6]])
    np.testing.assert_allclose(e.log.logger_share, [2 / 3, 1 / 3])


def test_propensities_are_estimated_only_when_asked_and_recorded_ones_are_then_left_unread():
    rng = np.random.default_rng(1)
    n, items = 4000, np.array(list("abc"))
    shown = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    log = pd.DataFrame({"request_id": np.arange(n), "item_id": items[shown], "reward": 1.0, "propensity": 1.0})
    target = pd.DataFrame({"request_id": np.arange(n).repeat(3), "item_id": np.tile(items, n), "probability": 1 / 3})
    e = evaluable(log, target, Reading(estimate_propensities=True))
    # a share of .1 in 3,200 rows errs by .005
    np.testing.assert_allclose(e.log.propensity, np.array([0.6, 0.3, 0.1])[shown], atol=0.03)
    assert e.propensities == "propensity_estimated"
    assert any("ESTIMATED" in w for w in e.warnings)
    without = evaluable(log.drop(columns="propensity"), target, Reading(estimate_propensities=True))
    np.testing.assert_array_equal(without.log.propensity, e.log.propensity)
    assert evaluable(log, target).propensities == "recorded"


def test_no_row_takes_part_in_the_estimate_of_its_own_propensity():
    log = pd.DataFrame({"request_id": np.arange(40), "item_id": ["z", *"ab" * 19, "a"], "reward": 1.0})
    items = [["z", "a"], *[["a", "b"]] * 39]
    target = pd.DataFrame({"request_id": np.arange(40).repeat(2), "item_id": np.ravel(items), "probability": 0.5})
    e = evaluable(log, target, Reading(estimate_propensities=True))
    # z was never seen by others: a half, against the share of a
    assert e.log.propensity[0] < 0.6


def test_a_model_fitted_here_learns_what_the_features_say_and_never_its_own_row():
    rng = np.random.default_rng(2)
    n = 1500
    likes = rng.random(n) < 0.5
    shown = rng.integers(2, size=n)
    earns = np.where(likes == (shown == 0), 0.8, 0.2)
    log = pd.DataFrame(
        {
            "request_id": np.arange(n),
            "user_id": np.arange(n) // 3,
            "item_id": np.array(["a", "b"])[shown],
            "reward": (rng.random(n) < earns).astype(float),
            "propensity": 0.5,
        }
    )
    target = pd.DataFrame({"request_id": np.arange(n).repeat(2), "item_id": np.tile(["a", "b"], n), "probability": 0.5})
    told = target.assign(x_taste=np.where(likes, "first", "second").repeat(2), x_age=np.nan)
    blind, seeing = (evaluable(log, t, Reading(fit=True)) for t in (target, told))
    assert blind.q is not None and seeing.q is not None
    truth = np.where(likes[:, None] == np.array([True, False]), 0.8, 0.2).ravel()
    assert np.abs(seeing.q - truth).mean() < 0.1 < np.abs(blind.q - truth).mean()
    lucky = evaluable(
        log.assign(reward=log["reward"].where(log["user_id"] != 0, 1 - log["reward"])), told, Reading(fit=True)
    )
    assert lucky.q is not None
    np.testing.assert_array_equal(lucky.q[:6], seeing.q[:6])


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
        (
            LOG,
            TARGET.assign(logging=[0.5, 0.4, 0.5, 0.5, 1.0, 0.0]),
            "target, row 0, column logging: over the eligible",
        ),
        (
            LOG,
            TARGET.assign(logging=[0.8, 0.2, 0.5, 0.5, 0.2, 0.8]),
            "target, row 1, column logging: 0.2; the log says propensity 0.25 of the same choice (1 such rows)",
        ),
        (
            LOG.assign(user_id=["u", None, "v"]),
            TARGET,
            "log, row 1, column user_id: empty; allowed is an id (1 such rows)",
        ),
        (
            LOG.assign(user_id=["u", "v", "w"], request_id=["r1", "r1", "r3"], position=[0, 1, 0]),
            pd.concat([TARGET, TARGET[:2].assign(position=1)]).fillna({"position": 0}),
            "log, row 1, column user_id: v; request r1 has another user, too",
        ),
        (LOG.assign(propensity_1=0.5), TARGET, "the log has column propensity_1 but lacks column generation"),
        (
            LOG.assign(propensity_1=LOG["propensity"], generation=[1, 1, 2]),
            TARGET,
            "the log lacks column propensity_2; generation 2 logged, too",
        ),
        (
            LOG.assign(propensity_1=[0.5, 0.25, 0.3], generation=1),
            TARGET,
            "log, row 2, column propensity: 0.2; propensity_1, of the generation that logged it, says 0.3",
        ),
        (LOG.assign(propensity_1=[0.5, 0.25, 2], generation=1), TARGET, "log, row 2, column propensity_1: 2"),
        (
            LOG.assign(propensity_1=LOG["propensity"], generation=1),
            TARGET.assign(logging=[0.75, 0.25, 0.5, 0.5, 0.2, 0.8]),
            "several loggers are weighed by what each would have done; leave one out",
        ),
        (LOG.assign(generation=[1, 1.5, 2]), TARGET, "log, row 1, column generation: 1.5; allowed are whole numbers"),
        (LOG.assign(request_id=["r2", None, "r3"]), TARGET, "log, row 1, column request_id: empty"),
        (
            LOG.assign(position=[0, 0, 2]),
            pd.concat([TARGET[:4].assign(position=0), TARGET[4:].assign(position=2)]),
            "log, row 2, column position: 2 where 0 is due",
        ),
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
