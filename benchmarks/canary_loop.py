"""Canaries in the loop itself: a simulated shop, the same stages, and the exact truth beside every verdict.

One update is sent out as it is, others after somebody broke them, whatever the gate says of them. From then on the
world answers every user by the generation that the hash says, and every turn looks. Truth is told twice: what the
canary was worth when it was sent out, and the chance of reward of what it then showed, its memory learning live, over
that of what the champion showed: exact but for the mix of users. ``python -m benchmarks.canary_loop``.
"""

import argparse
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from components.domain import Verdict
from components.world.laws import described
from components.world.simulated import SimulatedWorld
from flows.drill import sabotage
from flows.drill.drilled_turn import drilled_turn
from flows.drill.sabotage import as_served
from flows.drill.scene import Sabotage, Scene
from flows.replay import replay_cache
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.replay.recorded import Recorded
from flows.stages.release import send_out
from flows.stages.results import Challenger, NoChallenger
from flows.turn import open_turn, warehouse_of
from flows.workspace import QUIET, SILENT, Workspace
from warehouse import ledger

SETTINGS = """
[drift]
page = false

[release.canary]
share = 0.3
margin = 0.05
days = {days}
"""
CASES: dict[str, Sabotage | None] = {
    "as it is": None,
    "half of all slates drawn by lot": sabotage.too_random,
    "the embedding table holds zeros": sabotage.table_zeroed,
}


class _Worth:
    """A sabotage, and what the canary was worth after it, as a share of the champion's value."""

    def __init__(self, broken: Sabotage | None) -> None:
        self.broken, self.share = broken, float("nan")

    def __call__(self, scene: Scene, challenger: Challenger) -> Challenger | NoChallenger:
        made = self.broken(scene, challenger) if self.broken else challenger
        assert isinstance(made, Challenger), "every case makes one"
        self.share = scene.value_of(as_served(scene, made)) / scene.value_of(scene.champion.blind)
        return made


def played(root: Path, broken: Sabotage | None, days: int) -> str:
    """A row: what a canary was truly worth, what the loop saw of it, and what became of it."""
    workspace, worth = Workspace(root), _Worth(broken)
    root.mkdir(parents=True)
    workspace.settings.write_text(SETTINGS.format(days=days))
    recorded = open_recorded(workspace, "drill", None)
    ingest_period(workspace, recorded, 0)
    drilled_turn(workspace, recorded.cutoff(0))
    _next_day(workspace, recorded, 1)
    gate = drilled_turn(workspace, recorded.cutoff(1), worth)
    w = warehouse_of(workspace)
    if not ledger.canaries(w):
        send_out(open_turn(workspace, recorded.cutoff(1), keep=False), gate.generation)
    turn, shown = 1, []
    while ledger.canary_out(w) is not None and turn < recorded.turns:
        turn += 1
        _next_day(workspace, recorded, turn)
        shown.append(_chances(workspace, recorded, turn))
        drilled_turn(workspace, recorded.cutoff(turn))
    made = ledger.canaries(w)[0]
    look = json.loads(made.look or "{}")
    ends = look["difference"]
    told = f"{1 + ends['lower'] / look['champion']:.3f} to {1 + ends['upper'] / look['champion']:.3f}"
    users = " + ".join(f"{n:,}" for n in look["users"])
    chance = pd.concat(shown).groupby("generation")["chance"].mean()
    served = chance[made.generation] / chance[made.champion]
    became = made.verdict or Verdict.HOLD
    return f"{worth.share:.3f} | {served:.3f} | {gate.verdict} | {told} | {users} | {became} | {turn - 1}"


def _chances(workspace: Workspace, recorded: Recorded, turn: int) -> pd.DataFrame:
    """Who showed what before a turn, and its exact chance of reward: generation, chance."""
    simulated = recorded.source.simulated
    assert simulated is not None, "only a simulated source knows the chance of reward"
    tables = replay_cache.tables(workspace.replayed(recorded.cutoff(turn - 1)))
    rows = tables.impressions.merge(tables.requests[["request_id", "user_id"]], on="request_id")
    user, item = (rows[name].str[1:].to_numpy(np.int64) for name in ("user_id", "item_id"))
    world = SimulatedWorld(described(simulated.laws))
    chance = world.probability(user, item[:, None], rows["at"].to_numpy(np.int64))[:, 0]
    return pd.DataFrame({"generation": rows["generation"], "chance": chance})


def _next_day(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    play_after(workspace, recorded, turn - 1)
    ingest_period(workspace, recorded, turn)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=5)
    days = parser.parse_args().days
    os.environ.update(QUIET | SILENT)
    print("| canary | worth when sent out | as served | gate | seen, anytime-valid | users | became | days |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|")  # noqa: T201
    with TemporaryDirectory(prefix="evercurrent-canary-") as folder:
        for number, (name, broken) in enumerate(CASES.items()):
            os.environ["BENTOML_HOME"] = f"{folder}/bentoml"
            print(f"| {name} | {played(Path(folder) / str(number), broken, days)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
