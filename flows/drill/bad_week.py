"""The drill of the data: a week whose log lies goes through the loop, which has to notice, and to go on.

A first generation answers some periods of a world. From there every case is a home of its own: the next period's log is
broken on its way to the warehouse, the turn over it ends as it ends, and two clean periods follow. Beside them stands
the home in which the bad period was never logged.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.auc import auc
from components.domain import Verdict
from flows import progress
from flows.drill import bad_logs
from flows.drill.bad_logs import Mishap
from flows.drill.bad_week_record import BadWeek, BadWeekRecord
from flows.drill.drill import APART
from flows.drill.drilled_turn import drilled_turn
from flows.replay import replay_cache
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.replay.recorded import Recorded, window_after
from flows.stages.ingest import ingest_tables
from flows.turn import TurnRecord
from flows.workspace import Workspace

CLEAN = 2
"""Clean turns within which the loop has to promote again."""


@dataclass(frozen=True)
class Lie:
    """One way in which a period's log is not what happened.

    Attributes
    ----------
    mishap : what is done to the log; None: the world itself turned round, and the service was told so, too.
    """

    name: str
    said: str
    mishap: Mishap | None
    sound: bool = False


LIES = (
    Lie("clean", "nothing: the log as it is", bad_logs.as_logged, sound=True),
    Lie("outcomes_inverted", "yes is no, in the export", bad_logs.outcomes_inverted),
    Lie("outcomes_inverted_live", "yes is no, and the service learned it all week", None),
    Lie("third_inverted", "one of three clients tells the outcomes the wrong way round", bad_logs.third_inverted),
    Lie("joined_wrongly", "outcomes are those of other impressions", bad_logs.outcomes_joined_wrongly),
    Lie("all_rewarded", "every outcome is a success", bad_logs.all_rewarded),
    Lie("none_rewarded", "no outcome is a success", bad_logs.none_rewarded),
    Lie("one_bot", "one user makes 30 % of the impressions", bad_logs.one_bot),
    Lie("traffic_twice", "every request was delivered twice, under ids of its own", bad_logs.traffic_twice),
    Lie("propensities_constant", "one propensity is logged for all", bad_logs.propensities_constant),
    Lie("propensities_permuted", "propensities are those of other impressions", bad_logs.propensities_permuted),
    Lie("items_are_users", "the item's column holds the user's id", bad_logs.items_are_users),
    Lie("users_empty", "the user's column holds a placeholder", bad_logs.users_empty),
    Lie("clock_behind", "one of two clocks jumps a day for half of the window", bad_logs.clock_behind),
)
"""All of them, by name: the keys of ``evercurrent drill --data --json``."""


def drill_data(
    home: Path, lies: Sequence[Lie] = LIES, source: str = "drill", data: str | None = None, before: int = 1
) -> BadWeekRecord:
    """Every case in a home of its own below `home`, which is made and stays.

    Parameters
    ----------
    source, data : a source that can be replayed, and its log where it ships none.
    before : turns before the bad one.
    """
    begin = time.perf_counter()
    progress.begin("turn 0 of 1")
    world = _open(home / "start", source, data, before)
    without = _after(world, home / "without", None)
    done = []
    for number, lie in enumerate(lies, 1):
        progress.begin(f"turn {number} of {len(lies)}")
        progress.begin(lie.name)
        done.append(_told(lie, _after(world, home / lie.name, lie), without))
    return BadWeekRecord(home=str(home), seconds=round(time.perf_counter() - begin, 2), cases=tuple(done))


@dataclass(frozen=True)
class _World:
    """The common start of all cases."""

    root: Path
    source: str
    data: str | None
    before: int


@dataclass(frozen=True)
class _After:
    """The turn over the bad period, the turns after it, and the AUC of the period after it, with memory."""

    bad: TurnRecord
    clean: tuple[TurnRecord, ...]
    auc: float
    seconds: float


def _open(root: Path, source: str, data: str | None, before: int) -> _World:
    root.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(root)
    recorded = open_recorded(workspace, source, data)
    for turn in range(before):
        ingest_period(workspace, recorded, turn)
        drilled_turn(workspace, recorded.cutoff(turn))
        play_after(workspace, recorded, turn)
    return _World(root, source, data, before)


def _after(world: _World, root: Path, lie: Lie | None) -> _After:
    begin = time.perf_counter()
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(world.root, root, ignore=shutil.ignore_patterns(*APART))
    workspace, turn = Workspace(root), world.before
    recorded = open_recorded(workspace, world.source, world.data)
    if lie is not None:
        _log(workspace, recorded, turn, lie)
    bad = drilled_turn(workspace, recorded.cutoff(turn))
    play_after(workspace, recorded, turn)
    clean = []
    for later in range(turn + 1, turn + 1 + CLEAN):
        ingest_period(workspace, recorded, later)
        clean.append(drilled_turn(workspace, recorded.cutoff(later)))
        play_after(workspace, recorded, later)
    scores = replay_cache.scores(workspace.replayed(recorded.cutoff(turn)))
    reward = (scores["reward"].to_numpy(float) > 0).astype(float)
    fresh = auc(reward, scores["champion_with_memory"].to_numpy(float))
    return _After(bad, tuple(clean), round(fresh, 6), round(time.perf_counter() - begin, 2))


def _log(workspace: Workspace, recorded: Recorded, turn: int, lie: Lie) -> None:
    """Bring in the period before a turn, as the lie has it."""
    if lie.mishap is None:
        _play_turned(workspace, recorded, turn)
    tables = replay_cache.tables(workspace.replayed(recorded.cutoff(turn - 1)))
    if lie.mishap is not None:
        tables = lie.mishap(tables, np.random.default_rng(recorded.cutoff(turn) % 2**32))
    ingest_tables(workspace, recorded.source, tables, f"{lie.name} before turn {turn}")


def _play_turned(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    """Let the champion serve the period again in a world that tells every outcome the wrong way round."""
    window, log = window_after(recorded, recorded.cutoff(turn - 1)), recorded.log
    inside = (log.at >= window.start) & (log.at < window.cutoff)
    log.reward[inside] = 1 - log.reward[inside]
    if np.isfinite(log.grade).any():
        log.grade[inside] = np.nanmax(log.grade) + np.nanmin(log.grade) - log.grade[inside]
    shutil.rmtree(workspace.replayed(window.start))
    play_after(workspace, recorded, turn - 1)


def _told(lie: Lie, found: _After, without: _After) -> BadWeek:
    promoted = [number for number, record in enumerate(found.clean, 1) if record.verdict is Verdict.PROMOTE]
    return BadWeek(
        case=lie.name,
        said=lie.said,
        sound=lie.sound,
        action=found.bad.drift_action,
        verdict=found.bad.verdict,
        reasons=found.bad.reasons,
        auc_after=found.auc,
        auc_without=without.auc,
        promoted_after=promoted[0] if promoted else None,
        seconds=found.seconds,
    )
