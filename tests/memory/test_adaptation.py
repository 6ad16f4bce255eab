"""The adaptation benchmark: bad logs get one line, and its measures are exact."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner

import flows.engine
from benchmarks.adaptation import main
from benchmarks.adaptation_log import read
from benchmarks.adaptation_measure import calibration_error, grouped_auc
from components.auc import auc
from components.domain import ContractBroken
from components.engine import EngineSettings
from flows.workspace import QUIET

TOML = """
name = "shop"
title = "A shop"
pretrain = "2d"
[columns]
user_id = "who"
item_id = "what"
[time]
column = "when"
unit = "s"
[outcome]
column = "bought"
kind = "purchase"
equals = 1
[[fields]]
name = "user"
kind = "id"
of = "user"
[[fields]]
name = "item"
kind = "id"
of = "item"
[[fields]]
name = "tab"
kind = "categorical"
of = "context"
column = "scene"
"""


def log(rows: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    who = rng.integers(0, 30, rows)
    bought = (rng.random(rows) < 0.2 + 0.6 * (who % 2)).astype(int)
    when = np.sort(rng.integers(0, 5 * 86_400, rows))
    return pd.DataFrame({"who": who, "what": rng.integers(0, 9, rows), "when": when, "bought": bought, "scene": "a"})


def written(folder: Path, frame: pd.DataFrame) -> list[str]:
    """The options that read `frame` as described by `TOML`."""
    (folder / "shop.toml").write_text(TOML)
    frame.to_parquet(folder / "log.parquet")
    return ["--source", str(folder / "shop.toml"), "--data", str(folder / "log.parquet")]


def run(options: list[str]) -> tuple[int, str, str]:
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, options)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(lambda f: f.assign(bought=1), "only outcomes of reward 1", id="no negatives"),
        pytest.param(lambda f: f.assign(bought=0), "only outcomes of reward 0", id="no positives"),
        pytest.param(lambda f: f.drop(columns="what"), "lacks column what", id="no item"),
        pytest.param(lambda f: f.drop(columns="scene"), "lacks column scene", id="no column of a field"),
        pytest.param(lambda f: f.iloc[::-1], "goes back in time", id="times out of order"),
        pytest.param(lambda f: f[f.when < 86_400], "ends before its pre-training", id="too short"),
        pytest.param(lambda f: f.iloc[:0], "has no rows", id="empty"),
        pytest.param(lambda f: f.assign(when="soon"), "allowed is a time from", id="times that are none"),
    ],
)
def test_a_bad_log_is_refused_in_one_line_and_nothing_is_written(broken: object, said: str, tmp_path: Path) -> None:
    assert callable(broken)
    out = tmp_path / "results"
    code, stdout, stderr = run([*written(tmp_path, broken(log())), "--out", str(out)])
    assert code == 2
    assert said in stderr
    assert stdout == ""
    assert len(stderr.strip().splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "nowhere"], "no source 'nowhere'"),
        (["--source", "kuairand"], "ships no log"),
        (["--slot", "0"], "received slot '0'"),
        (["--pretrain", "soon"], "received span 'soon'"),
        (["--data", "/nowhere.parquet"], "no file at /nowhere.parquet"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(options: list[str], said: str) -> None:
    code, _, stderr = run(options)
    assert code == 2
    assert said in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_all_arms_are_reported_as_json_and_as_a_page(tmp_path: Path) -> None:
    options = [*written(tmp_path, log()), "--slot", "day", "--delay", "60", "--json", "--out", str(tmp_path)]
    code, stdout, _ = run(options)
    report = json.loads(stdout)
    assert code == 0
    assert report["rows"] + report["pretrain_rows"] == 900
    arms = report["arms"]
    assert {"frozen", "frozen+memory", "frozen+reloop2-gamma1", "frozen+reloop2-gamma0", "warm-day"} <= arms.keys()
    assert {"warm-week", "warm-day+memory", "stateless-28d"} <= arms.keys()
    assert all(0 <= arm["auc"] <= 1 and arm["examples"] > 0 for arm in arms.values())
    assert "frozen+memory" in (tmp_path / "shop.html").read_text()
    assert json.loads((tmp_path / "shop.json").read_text())["arms"] == arms


def test_seeds_by_tasks_of_a_cluster_are_those_that_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spread(name: str, work: Callable[[str, int], None], folder: Path, shares: int, engine: EngineSettings) -> None:
        assert (name, shares, engine.address) == ("seeds", 1, "auto")
        for share in (0, 0):  # tried again, it is done
            work(str(folder), share)

    monkeypatch.setattr(flows.engine, "ray_tasks", SimpleNamespace(spread=spread), raising=False)
    homes = dict.fromkeys(("EVERCURRENT_HOME", "PREFECT_HOME", "BENTOML_HOME"), str(tmp_path))
    for name, value in (QUIET | homes).items():  # which a home of its own sets
        monkeypatch.setenv(name, os.environ.get(name, value))
    options = [*written(tmp_path, log()), "--slot", "day", "--rows", "200", "--seeds", "2", "--json"]
    (_, here, _), (code, there, said) = run(options), run([*options, "--engine", "auto"])
    assert code == 0, said
    timeless = {"train_seconds", "update_seconds", "read_us", "write_us"}
    for one, other in zip(json.loads(here)["arms"].items(), json.loads(there)["arms"].items(), strict=True):
        assert one[0] == other[0] and one[1].keys() == other[1].keys()
        assert {k: v for k, v in one[1].items() if k not in timeless} == {
            k: v for k, v in other[1].items() if k not in timeless
        }


def test_the_embedded_log_is_read_in_order_with_both_classes() -> None:
    embedded = read("movietweetings", None, None)
    assert len(embedded) == 100_000
    assert 0 < embedded.pretrain < 50_000
    assert (np.diff(embedded.data.examples.at) >= 0).all()


def test_a_span_must_be_positive() -> None:
    with pytest.raises(ContractBroken):
        read("movietweetings", None, "-2d")


def test_measures_in_cases_worked_out_by_hand() -> None:
    reward, score = np.array([0, 1, 0, 1], np.float32), np.array([0.1, 0.4, 0.35, 0.35])
    assert auc(reward, score) == pytest.approx(3.5 / 4)
    assert np.isnan(auc(np.ones(3, np.float32), score[:3]))
    assert grouped_auc(reward, score, np.array([0, 0, 1, 1])) == pytest.approx((1 + 0.5) / 2)
    assert calibration_error(np.ones(4, np.float32), np.full(4, 0.25)) == pytest.approx(0.75)
