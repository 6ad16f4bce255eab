"""A shop whose outcomes come late: users who come back, slates shown at random, outcomes after hours or days."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from flows.daily_loop import daily_loop
from flows.stages.ingest import ingest_file
from flows.turn import TurnRecord
from flows.workspace import enter
from tests.conftest import DAY

START = 15_000 * DAY
USERS, ITEMS, ELIGIBLE = 600, 20, 5

DESCRIPTION = """
name = "late"
title = "A shop whose outcomes come late"
{attribution}

[columns]
user_id = "user"
item_id = "item"
request_id = "request"
position = "position"
propensity = "propensity"
eligible = "eligible"
outcome_at = "told"

[time]
column = "at"
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
"""

SETTINGS = """
[update]
max_epochs = 1

[drift]
page = false

[evaluate]
holdout_share = 0.4
margin = 0.15
minimum_users = 20
minimum_ess = 20
largest_weight_share = 0.3
wait_days = {wait_days}
"""


@dataclass(frozen=True)
class LateShop:
    """`attribution` seconds, or None for explicit outcomes; `delay_days` to an outcome, exponential, at most thrice."""

    attribution: float | None
    delay_days: float
    slate: int = 1
    per_day: int = 400
    days: int = 7
    wait_days: float = 7.0
    seed: int = 0

    def log(self) -> pd.DataFrame:
        """A row per shown position; a row of an explicit log without an outcome has none yet."""
        rng = np.random.default_rng([self.seed, 3])
        n = self.days * self.per_day
        at = START + np.sort(rng.integers(0, self.days * DAY, n))
        user, taste = (USERS * rng.random(n) ** 1.5).astype(int), rng.normal(size=(USERS, ITEMS))
        rows = []
        for request in range(n):
            eligible = rng.permutation(ITEMS)[:ELIGIBLE]
            for position, item in enumerate(rng.permutation(eligible)[: self.slate]):
                chance = 1 / (1 + np.exp(-(taste[user[request], item] + 0.15 * (item - 10))))
                delay = min(rng.exponential(self.delay_days), 3 * self.delay_days) * DAY
                rows.append(
                    {
                        "user": int(user[request]),
                        "item": int(item),
                        "request": f"r{request}",
                        "position": position,
                        "propensity": 1 / (ELIGIBLE - position),
                        "eligible": [str(i) for i in eligible],
                        "at": int(at[request]),
                        "bought": int(rng.random() < chance),
                        "told": int(at[request] + delay),
                    }
                )
        return pd.DataFrame(rows)

    def open(self, root: Path, log: pd.DataFrame | None = None) -> Path:
        """A home that holds the log."""
        told = "" if self.attribution is None else f"attribution = {self.attribution}"
        (root / "late.toml").write_text(DESCRIPTION.format(attribution=told))
        frame = self.log() if log is None else log
        if self.attribution is not None:  # an absent outcome is 0 once the window is over; a row says nothing of it
            frame = frame.assign(bought=frame["bought"].where(frame["bought"] == 1), told=frame["told"])
        frame.to_parquet(root / "late.parquet", index=False)
        home = root / "home"
        home.mkdir()
        (home / "evercurrent.toml").write_text(SETTINGS.format(wait_days=self.wait_days))
        ingest_file(enter(home), root / "late.parquet", root / "late.toml")
        return home


def turn(home: Path, day: float) -> TurnRecord:
    """The turn that ends so many days after the start."""
    record: TurnRecord = daily_loop(str(home), datetime.fromtimestamp(START + day * DAY, UTC))
    return record


def judged(home: Path) -> list[str]:
    """The requests that were judged, turn by turn."""
    found = [pd.read_parquet(path)["request_id"].unique() for path in sorted(home.glob("turns/*/target.parquet"))]
    return [request for requests in found for request in requests]
