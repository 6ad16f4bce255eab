"""The log's check as a flow: it says how many propensities come out again, and fails where one does not."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("bentoml")

from bento.decision_log import DecisionLog
from components.domain import ContractBroken
from flows.self_check import self_check
from tests.bento.conftest import release, write_request

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_log_that_nobody_could_have_written_fails_and_an_empty_one_does_not(tmp_path: Path) -> None:
    release(tmp_path, 1)
    assert self_check(str(tmp_path)).startswith("0 of 0 logged propensities")
    log = DecisionLog(tmp_path, 1)
    write_request(log, "r1", 1_728_000_000_000_002, known_until=1_728_000_000_000_001, learned=0)
    log.close()
    with pytest.raises(ContractBroken, match="cannot be judged by weighting: 0 of 1"):
        self_check(str(tmp_path))
    shutil.rmtree(tmp_path / "bundles")
    assert "of 1 the memory is not kept any more" in self_check(str(tmp_path))
