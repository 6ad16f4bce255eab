"""When a reward is known, and which it is: the warehouse and the live memory say the same of any log."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bento.decision_log import DecisionLog
from bento.settings import ServiceSettings
from components.domain import DAY, SECOND, Window
from components.ingest.decision_log import read_decision_log
from components.ingest.reward_rule import RewardRule
from components.serving.live_memory import LiveMemory, in_files
from components.serving.served import KnownOutcomes
from tests.bento.conftest import write_outcome, write_request
from tests.warehouse import frames
from warehouse import facts
from warehouse.append import append_log
from warehouse.connect import Warehouse

START = 20_000 * DAY
CUTOFF = START + 100 * SECOND


def random_log(home: Path, rng: np.random.Generator, attribution: float | None) -> None:
    """Sixty slates of two; outcomes that never come, come twice, late, at once, or at the very end of the window."""
    log = DecisionLog(home, 1)
    for n in range(60):
        at = START + int(rng.integers(0, 95)) * SECOND
        write_request(log, f"r{n}", at, user=f"u{n % 7}", items=("heat", "alien"))
        for position in range(2):
            for _ in range(rng.integers(0, 3)):
                delays = [0, 1, 9, 10, 11, 40] if attribution else [0, 1, 5, 30]
                told = at + int(rng.choice(delays)) * SECOND
                write_outcome(log, f"r{n}-{position}", told, float(rng.integers(0, 2)), grade=float(rng.integers(1, 9)))
    log.close()


def in_the_warehouse(home: Path, attribution: float | None) -> set[tuple[Any, ...]]:
    w = Warehouse(home / "w.duckdb", "shop")
    append_log(w, read_decision_log(sorted((home / "decisions").iterdir())), {}, digest="d", path="p")
    found = frames.matured(w, Window(0, CUTOFF), facts.Maturing("rating", attribution))
    columns = (found[name].fillna(-1) for name in ("user_id", "item_id", "matured_at", "reward", "grade"))
    return set(zip(*columns, strict=True))


def live(home: Path, attribution: float | None) -> set[tuple[Any, ...]]:
    learned: list[KnownOutcomes] = []
    rule = RewardRule(kind="rating", attribution=attribution)
    served = cast(Any, SimpleNamespace(outcome=rule, cutoff=0, generation=1, learn=learned.append))
    LiveMemory(served, 0, in_files(home), ServiceSettings(home=home, grace_seconds=0, tick_seconds=1).steps).advance(
        CUTOFF
    )
    return {
        row
        for k in learned
        for row in zip(k.user_id, k.item_id, k.at.tolist(), k.reward, np.nan_to_num(k.grade, nan=-1), strict=True)
    }


@pytest.mark.parametrize("attribution", [None, 10.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_impressions_mature_at_the_same_instant_with_the_same_reward(
    tmp_path: Path, attribution: float | None, seed: int
) -> None:
    random_log(tmp_path, np.random.default_rng(seed), attribution)
    found = live(tmp_path, attribution)
    assert len(found) > 30
    assert found == in_the_warehouse(tmp_path, attribution)
