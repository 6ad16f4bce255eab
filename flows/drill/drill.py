"""The drill: bad generations go through the loop, and the gate has to stop every one of them.

A first generation answers a day of a simulated shop. From there every case is a home of its own: the same day, the
same update, one mishap, and then the gate, the release and the ledger as they are. What is released all the same, by
the gate or by hand, answers the next days, and the turns after it must roll it back.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.domain import Verdict
from components.pages.turn_pages import TurnPage
from components.publish.pointer import ReleaseKind
from flows import progress
from flows.drill.cases import CASES, Case
from flows.drill.drill_record import DrilledCase, DrillRecord
from flows.drill.drilled_turn import drilled_turn
from flows.drill.sabotage import as_served
from flows.drill.scene import Sabotage, Scene
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.replay.recorded import Recorded
from flows.stages.release import release
from flows.stages.results import Challenger, NoChallenger
from flows.turn import TurnRecord
from flows.workspace import Workspace
from warehouse.records import ReleaseWanted

SOURCE = "drill"
FOLLOWING = 2
"""Turns that have to notice what was released."""
APART = ("bentoml", "prefect", ".lock")
"""What a case does not take over from the common start: stores and locks."""


def run_drill(home: Path, cases: Sequence[Case] = CASES, source: str = SOURCE) -> DrillRecord:
    """Every case in a home of its own below `home`, which is made and stays.

    Parameters
    ----------
    source : a simulated source, shipped or the path of its description: only there exact values are known.
    """
    begin = time.perf_counter()
    shop = _open(home / "start", source)
    done = []
    for number, case in enumerate(cases, 1):
        progress.begin(f"turn {number} of {len(cases)}")
        progress.begin(case.name)
        done.append(_drill(shop, case, home / case.name))
    return DrillRecord(home=str(home), seconds=round(time.perf_counter() - begin, 2), cases=tuple(done))


@dataclass(frozen=True)
class _Shop:
    """The common start of all cases: generation 1 has answered a day."""

    workspace: Workspace
    recorded: Recorded


def _open(root: Path, source: str) -> _Shop:
    workspace = Workspace(root)
    root.mkdir(parents=True, exist_ok=True)
    recorded = open_recorded(workspace, source, None)
    ingest_period(workspace, recorded, 0)
    drilled_turn(workspace, recorded.cutoff(0))
    _next_day(workspace, recorded, 1)
    return _Shop(workspace, recorded)


def _next_day(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    """What the champion shows and earns in the period before a turn."""
    play_after(workspace, recorded, turn - 1)
    ingest_period(workspace, recorded, turn)


def _drill(shop: _Shop, case: Case, root: Path) -> DrilledCase:
    begin = time.perf_counter()
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(shop.workspace.root, root, ignore=shutil.ignore_patterns(*APART))
    workspace, watch = Workspace(root), _Watched(case.sabotage)
    record, turn = drilled_turn(workspace, shop.recorded.cutoff(1), watch), 1
    if case.by_hand and record.verdict is not Verdict.PROMOTE:
        _release_by_hand(workspace, record)
    if not case.sound and (case.by_hand or record.verdict is Verdict.PROMOTE):
        record, turn = _followed(workspace, shop.recorded, record)
    return DrilledCase(
        case=case.name,
        mishap=case.mishap,
        sound=case.sound,
        worth=watch.worth,
        requests=record.requests,
        verdict=record.verdict,
        reasons=record.reasons,
        turn=turn,
        page=str(workspace.pages(record.instant) / TurnPage.EVALUATION.file),
        seconds=round(time.perf_counter() - begin, 2),
    )


def _followed(workspace: Workspace, recorded: Recorded, released: TurnRecord) -> tuple[TurnRecord, int]:
    """The turn that rolled the release back, and its number; the release itself, as PROMOTE, if none did."""
    for turn in range(2, 2 + FOLLOWING):
        _next_day(workspace, recorded, turn)
        record = drilled_turn(workspace, recorded.cutoff(turn))
        if record.verdict is Verdict.ROLL_BACK:
            return record, turn
    return released.model_copy(update={"verdict": Verdict.PROMOTE}), 1


def _release_by_hand(workspace: Workspace, record: TurnRecord) -> None:
    kind, why = ReleaseKind.RE_PROMOTE.value, "drill: released by hand, against the gate"
    release(workspace, ReleaseWanted(generation=record.generation, kind=kind, reason=why, cutoff=None))


class _Watched:
    """A sabotage, and what the challenger was worth after it."""

    def __init__(self, sabotage: Sabotage | None) -> None:
        self.sabotage = sabotage
        self.worth: float | None = None

    def __call__(self, scene: Scene, challenger: Challenger) -> Challenger | NoChallenger:
        broken = self.sabotage(scene, challenger) if self.sabotage else challenger
        if isinstance(broken, NoChallenger):
            return broken
        served = as_served(scene, broken)
        if np.isfinite(served.appraise(scene.data.open.examples).preference).all():
            self.worth = round(scene.value_of(served) / scene.value_of(scene.champion.blind), 4)
        return broken
