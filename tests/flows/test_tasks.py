"""The wrapper around stages: what a type checker and a retry see through it."""

import re
from pathlib import Path

import pytest
from mypy import api
from prefect import flow

from components.domain import ContractBroken, Transient
from flows import tasks
from tests.conftest import ROOT

WRONG = """
from flows import tasks
from flows.stages.results import DriftFound, TurnData
from flows.turn import Turn
from flows.workspace import Workspace

def a_turn(workspace: Workspace, turn: Turn, data: TurnData, drift: DriftFound) -> None:
    tasks.ingest(turn)
    tasks.validate(workspace)
    tasks.read(turn, data)
    tasks.update(turn, data, drift, None)
    tasks.refresh_memory(turn).live
    tasks.measure_drift(turn, data).action.value
"""


def test_a_wrong_argument_in_the_main_path_is_an_error_of_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    said, broke, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "wrong.py")])
    assert not broke, broke
    assert sorted(set(map(int, re.findall(r"wrong\.py:(\d+): error", said)))) == [8, 9, 10, 11, 12], said


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(("news", "tries"), [(Transient("busy"), 4), (ContractBroken("wrong"), 1), (KeyError("x"), 1)])
def test_a_stage_is_tried_again_only_where_the_world_was_busy(
    news: Exception, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def stage(value: object) -> object:
        calls.append(value)
        if len(calls) < 4:
            raise news
        return value

    monkeypatch.setattr(tasks, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    patient, given = tasks.patient("stage", stage), object()
    whole = flow(validate_parameters=False)(lambda: patient(given))
    if isinstance(news, Transient):
        assert whole() is given
    else:
        with pytest.raises(type(news)):
            whole()
    assert calls == [given] * tries
