"""The speed benchmark measures what it says."""

import json

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from benchmarks.memory_speed import ALL, CANDIDATES, KUAIRAND, OUTCOMES, Traffic, cost, filled, main
from components.memory.memory import MemorySettings


def run(options: list[str]) -> tuple[int, str]:
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, options)
    return result.exit_code, result.stdout


def test_both_specs_are_timed_with_default_and_all_views() -> None:
    code, stdout = run(["--ids", "400", "--calls", "10", "--json"])
    report = json.loads(stdout)
    assert code == 0
    assert [(m["spec"], len(m["views"])) for m in report["memories"]] == [
        ("kuairand", 2),
        ("kuairand", len(ALL)),
        ("wide", 2),
        ("wide", len(ALL)),
    ]
    assert [m["recall"] is None for m in report["memories"]] == [True, False, True, False]
    assert all(0 < m[op]["cpu_min_ms"] <= m[op]["cpu_p50_ms"] for m in report["memories"] for op in ("read", "write"))


def test_an_unknown_view_is_refused() -> None:
    assert run(["--only", "astrology"])[0] == 2


def test_a_filled_memory_knows_every_id() -> None:
    traffic = Traffic(KUAIRAND, 3_000, seed=1)
    memory = filled(traffic, KUAIRAND, MemorySettings(views=("counters",), choose=False), 1_500)
    examples, prediction = traffic.request()
    assert len(examples) == CANDIDATES
    assert len(np.unique(examples.keys[:, 0])) == 1
    assert len(traffic.outcomes()[2]) == OUTCOMES
    signals = memory._views["counters"].read(examples, prediction)
    assert (signals[:, :2] != 0).all()


def test_a_cost_is_percentiles_in_milliseconds() -> None:
    found = cost([(0.001 * i, 0.002 * i) for i in range(1, 12)])
    assert (found.p50_ms, found.p90_ms, found.cpu_p50_ms, found.cpu_min_ms) == pytest.approx((6, 10, 12, 2))
