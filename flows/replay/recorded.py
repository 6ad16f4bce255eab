"""A recorded log made ready to be played: its interactions, and the cutoffs of its turns."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import DAY, SECOND, ContractBroken, Window, iso
from components.ingest.day_folders import check_source, day_folders, digest_of_day, read_days, read_entities
from components.ingest.interactions import LogTables, canonical
from components.ingest.read_log import read_log
from components.ingest.source import SimulatedLog, Source, read_source
from components.settings import read_settings
from components.whole_file import digest_of
from components.world.laws import described
from components.world.recorded_log import PERIODS, Rules, WorldSettings
from components.world.requests import Log
from components.world.simulated import SimulatedWorld
from flows.stages.ingest import entity_frames
from flows.stages.training_data import context_arrays
from flows.workspace import Workspace

LENGTHS = {"d": DAY, "w": 7 * DAY}


@dataclass(frozen=True)
class Recorded:
    """A log that knows every eligible item's outcome.

    Attributes
    ----------
    tables : canonical, in order of time; `entities` : users and items with their attributes.
    start : instant the turns count from; `pretrained` : cutoff of generation 1.
    """

    source: Source
    description: Path
    digest: str
    tables: LogTables
    entities: dict[str, pd.DataFrame]
    log: Log
    rules: Rules
    start: int
    pretrained: int

    def cutoff(self, turn: int) -> int:
        """Cutoff of a turn; turn 0 makes generation 1."""
        return self.pretrained + turn * self.rules.period

    @property
    def turns(self) -> int:
        """Turns after which the log still has a period to look ahead to, be it the last, unfinished one."""
        return int((self.log.at[-1] - self.pretrained) // self.rules.period)

    def before(self, cutoff: int) -> LogTables:
        """The tables as logged before a cutoff."""
        t = self.tables
        impressions = t.impressions[t.impressions["at"] < cutoff]
        return LogTables(
            t.requests[t.requests["at"] < cutoff],
            impressions,
            t.outcomes[t.outcomes["outcome_at"] < cutoff],
        )


def read_recorded(workspace: Workspace, description: Path, data: Path | None, days: int | None = None) -> Recorded:
    """The log of a source: the one that ships with it, or the one at `data`; of a simulated one so many `days`.

    Raises
    ------
    ContractBroken
        If there is none, it is unsound, or too short for generation 1 and a turn.
    """
    source = read_source(description)
    if days is not None:
        source = _lasting(source, days)
    tables, entities, digest = _logged(source, description, data)
    rules = rules_of(source, read_settings(workspace.settings).world)
    log = _interactions(tables)
    start = int(log.at[0]) // DAY * DAY
    recorded = Recorded(
        source=source,
        description=description,
        digest=digest,
        tables=tables,
        entities=entities,
        log=log,
        rules=rules,
        start=start,
        pretrained=start + _length(source),
    )
    if recorded.turns < 1:
        raise ContractBroken(
            f"the log of {source.name} ends {iso(int(log.at[-1]))}; generation 1 takes {source.pretrain} and a turn "
            f"a {source.world.period} more: a longer log, or a shorter pretrain in the source description, is needed"
        )
    return recorded


def rules_of(source: Source, world: WorldSettings) -> Rules:
    """How a source's log is played."""
    period, lag = PERIODS[source.world.period], round(world.lag * SECOND)
    return Rules(period, source.world.slate_size, lag, source.outcome.kind)


def window_after(recorded: Recorded, cutoff: int) -> Window:
    """The period that follows a cutoff."""
    return Window(cutoff, cutoff + recorded.rules.period)


def _logged(source: Source, description: Path, data: Path | None) -> "tuple[LogTables, dict[str, pd.DataFrame], str]":
    """Tables, users and items, and the digest of a log, or of days that were taken out of a warehouse."""
    if days := day_folders(str(data)) if data else []:
        check_source(days[0].parent, source)
        digest = hashlib.sha256("\n".join(map(digest_of_day, days)).encode()).hexdigest()
        return read_days(days), read_entities(days[0].parent), digest
    frame, digest = _simulated(source.simulated) if source.simulated and not data else _read(source, description, data)
    return canonical(frame, source, source.name), entity_frames(frame, source, description.parent), digest


def _read(source: Source, description: Path, data: Path | None) -> "tuple[pd.DataFrame, str]":
    path = data or (description.parent / source.path if source.path else None)
    if path is None:
        raise ContractBroken(f"source {source.name} ships no log; name yours with --data PATH")
    return read_log(path), digest_of(path)


def _lasting(source: Source, days: int) -> Source:
    if source.simulated is None:
        raise ContractBroken(f"source {source.name} is recorded; its days are those of its log, received --days {days}")
    return source.model_copy(update={"simulated": source.simulated.model_copy(update={"days": days})})


def _simulated(asked: SimulatedLog) -> "tuple[pd.DataFrame, str]":
    settings = described(asked.laws)
    world = SimulatedWorld(settings)
    frame = world.interactions(world.day(0, asked.days))
    return frame, hashlib.sha256(f"{settings.model_dump_json()} {asked.days}".encode()).hexdigest()


def _interactions(tables: LogTables) -> Log:
    shown = tables.impressions.merge(tables.requests[["request_id", "user_id", "context"]], on="request_id")
    known = shown.merge(tables.outcomes[["impression_id", "reward", "grade"]], on="impression_id")
    known = known.drop_duplicates("impression_id").sort_values(["at", "user_id", "item_id"], kind="stable")
    return Log(
        known["user_id"].to_numpy(object),
        known["item_id"].to_numpy(object),
        known["at"].to_numpy(np.int64),
        known["reward"].to_numpy(np.float32),
        known["grade"].to_numpy(np.float32),
        context_arrays(known["context"]),
    )


def _length(source: Source) -> int:
    number, unit = source.pretrain[:-1], source.pretrain[-1:]
    if not number.isdigit() or unit not in LENGTHS or int(number) == 0:
        raise ContractBroken(
            f"source {source.name}, pretrain: received {source.pretrain!r}; allowed are days or weeks: 4d, 8w"
        )
    return int(number) * LENGTHS[unit]
