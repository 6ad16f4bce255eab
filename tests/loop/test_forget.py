"""A user is forgotten: out of warehouse, log, next generation and its memory; others stay, and it may come back."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from components.domain import ContractBroken, instant_of
from components.memory.memory import ErrorMemory
from components.publish.read_bundle import load_bundle
from components.ranker.features import hash_ids
from components.ranker.forward import Forward
from flows.daily_loop import daily_loop
from flows.refresh_memory import refresh_memory
from flows.stages.forget import ask_to_forget
from flows.workspace import Workspace
from tests.conftest import DAY, TinySource
from tests.loop.test_loop import command, day, first_generation, ingest
from warehouse.connect import connect

pytestmark = pytest.mark.usefixtures("prefect_server")


def of_user(home: Path, user: str, until: float) -> int:
    with connect(home / "warehouse.duckdb") as connection:
        found = connection.execute(
            "select count(*) from requests where user_id = $1 and requested_at <= make_timestamp($2)",
            [user, int(until)],
        ).fetchone()
    assert found is not None
    return int(found[0])


def known(home: Path, generation: int) -> set[int]:
    """Keys that a generation's vocabulary, candidates and memory hold."""
    served = load_bundle(home / "bundles" / f"g{generation:06d}")
    rows = cast(Forward, served.model).vocabulary
    found = {*rows.by_row.keys.tolist(), *rows.candidates.keys.tolist()}
    for name, array in cast(ErrorMemory, served.memory)._arrays().items():
        if name.endswith(("/keys", "/seen")):
            found |= set(array.ravel().tolist())
    return found


def test_the_next_generation_does_not_know_who_was_forgotten(tmp_path: Path, tiny: TinySource) -> None:
    home, before = tmp_path / "home", tiny.frame[tiny.frame["when"] < 15_004 * DAY]
    first_generation(home, tiny)
    user = str(before["who"].value_counts().index[0])
    key = int(hash_ids("user", [user])[0])
    assert key in known(home, 1)
    there = of_user(home, user, instant_of(day(4)))
    later = int(((tiny.frame["who"].astype(str) == user) & (tiny.frame["when"] > 15_004 * DAY)).sum())
    ask_to_forget(Workspace(home), user, instant_of(day(4)))
    refresh_memory(str(home), day(4.5))
    assert there > 0 and of_user(home, user, instant_of(day(4))) == 0
    assert of_user(home, user, instant_of(day(99))) == later, "what came after is the user's again"
    assert key not in set(_memory(home)), "a memory that is refreshed knows nothing of before"
    (report,) = (home / "reports" / "forgotten").glob("*.json")
    told = json.loads(report.read_text())
    assert told["warehouse"]["requests"] == there and told["bundles"] == ["g000001"]
    assert user not in report.read_text().split('"')
    daily_loop(str(home), day(4.6))
    assert load_bundle(home / "bundles" / "g000002").cutoff == instant_of(day(4.6))
    late = tiny.frame[(tiny.frame["when"] > 15_004 * DAY) & (tiny.frame["when"] < 15_004.6 * DAY)]
    if user not in set(late["who"].astype(str)):
        assert key not in known(home, 2)


def _memory(home: Path) -> list[int]:
    (folder,) = (home / "memories").iterdir()
    served = load_bundle(home / "bundles" / "g000001")
    memory = ErrorMemory.load(folder, served.encoder.spec, cast(ErrorMemory, served.memory).settings)
    return [k for name, a in memory._arrays().items() if name.endswith("/keys") for k in np.ravel(a).tolist()]


def test_an_export_that_is_delivered_again_does_not_bring_it_back(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    ingest(home, tiny, tiny.frame)
    user = str(tiny.frame["who"].iloc[0])
    told = json.loads(command("forget", user, "--home", str(home), "--json"))
    assert told["warehouse"]["requests"] > 0 and told["decision_log"] == 1
    assert of_user(home, user, 2e15) == 0
    ingest(home, tiny, tiny.frame.iloc[:-1])
    assert of_user(home, user, 2e15) == 0
    again = command("forget", user, "--home", str(home))
    assert "0 requests" in again and "not reached" in again


def test_whom_nobody_can_be_is_refused_in_one_line(tmp_path: Path, tiny: TinySource) -> None:
    with pytest.raises(ContractBroken, match="holds no log yet"):
        command("forget", "ann", "--home", str(tmp_path / "nothing"))
    ingest(tmp_path / "home", tiny, tiny.frame)
    with pytest.raises(ContractBroken, match="id is empty"):
        command("forget", "", "--home", str(tmp_path / "home"))
    assert "0 requests" in command("forget", "never heard of", "--home", str(tmp_path / "home"))
