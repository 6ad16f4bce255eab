"""What `benchmarks.adaptation` is asked for, in a form that travels, and a run of one seed by a task of a cluster."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.adaptation_arms import Schedule
from benchmarks.adaptation_log import read
from benchmarks.adaptation_measure import Figures
from benchmarks.adaptation_replay import Plan, replay, slot_starts
from components.domain import SECOND, ContractBroken
from components.engine import EngineSettings
from components.frozen import Frozen
from components.whole_file import write_whole
from flows.workspace import enter, scratch

ASKED = "asked.json"
SLOTS = {"movietweetings": "100", "kuairand": "1000"}
"""Slots of the figures that are reported for a source; others: 100 rows."""


class AdaptationAsked(Frozen):
    """The options of the command, see there; `rows` of the stretch at most, None: all."""

    source: str
    data: Path | None
    pretrain: str | None
    slot: str | None
    delay: float
    stateless_every: float
    full: bool
    rows: int | None

    def slot_of(self, log: str) -> str:
        """The slot that was asked for, else that of the log of this name."""
        return self.slot or SLOTS.get(log, "100")

    def plan(self, seed: int = 0) -> Plan:
        """What is replayed.

        Raises
        ------
        ContractBroken
            If the log cannot be read, or the slot is none.
        """
        log = read(self.source, self.data, self.pretrain)
        slot = self.slot_of(log.name)
        if slot not in ("hour", "day", "week") and not (slot.isdigit() and int(slot) > 0):
            raise ContractBroken(f"received slot {slot!r}; allowed are a number of rows, hour, day or week")
        rows = min(len(log) - log.pretrain, self.rows or len(log))
        starts = slot_starts(log, slot, log.pretrain + rows)
        return Plan(log, starts, int(self.delay * SECOND), seed, schedules(self.stateless_every, self.full), self.full)


def schedules(stateless_every: float, full: bool) -> tuple[Schedule, ...]:
    """The schedules of the arms; `full` adds the shorter windows of retraining."""
    windows = (7, 14, 28) if full else (28,)
    return (
        Schedule("frozen"),
        Schedule("warm-day", every=1),
        Schedule("warm-week", every=7),
        Schedule("warm-day-reloop-loss", every=1, reloop_alpha=0.2),
        *(Schedule(f"stateless-{days}d", every=stateless_every, window=days) for days in windows),
    )


def by_tasks(asked: AdaptationAsked, seeds: int, address: str) -> list[dict[str, Figures]]:
    """The figures of seeds 1 .. `seeds`, arm by arm, each seed a task of the Ray cluster at `address`.

    Raises
    ------
    Transient, ContractBroken
        As `flows.engine.ray_tasks.spread`.
    """
    with scratch() as folder:
        enter(folder / "home")
        from flows.engine import ray_tasks

        here = asked if asked.data is None else asked.model_copy(update={"data": asked.data.resolve()})
        (folder / ASKED).write_text(here.model_dump_json())
        engine = EngineSettings(name="ray", address=address, workers=1)
        ray_tasks.spread("seeds", run_seed, folder, seeds, engine)
        told = [json.loads((folder / f"seed-{seed}.json").read_text()) for seed in range(1, seeds + 1)]
    return [{name: Figures(**figures) for name, figures in one.items()} for one in told]


def run_seed(folder: str, share: int) -> None:
    """Replay seed ``share + 1`` and write its figures, unless they are there."""
    path = Path(folder) / f"seed-{share + 1}.json"
    if path.exists():
        return
    torch.set_num_threads(1)
    asked = AdaptationAsked.model_validate_json((Path(folder) / ASKED).read_bytes())
    done = replay(asked.plan(share + 1), lambda _: None)
    write_whole(path, lambda part: part.write_text(json.dumps({one.name: asdict(one.figures) for one in done})))
