"""One step of `benchmarks.generation_size`, in a process of its own: `first`, `day` or `serve`.

    python -m benchmarks.generation_work STEP HOME IDS GENERATION

Prints one JSON document: seconds by what was done, and MiB of memory that nobody else can use. A small generation is
made and read first, so that neither imports nor the loading of compiled loops are timed.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import pandas as pd

from components.domain import DAY, Examples, Ints, Keys, Matured, Verdict
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.policy.settings import PolicySettings
from components.publish.bundle import BundleContent, write_bundle
from components.publish.golden import check_golden
from components.publish.manifest import Provenance, bundle_name
from components.publish.read_bundle import load_bundle
from components.ranker.features import Attributes, Encoder
from components.ranker.model import Model
from components.ranker.settings import RankerSettings
from components.ranker.splitmix import mix
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from components.update.settings import UpdateSettings
from components.update.warm_start import warm_start

SPEC = FeatureSpec(
    (Field("user", FieldKind.ID, FieldOf.USER), Field("item", FieldKind.ID, FieldOf.ITEM)),
)
ITEMS = 0.2
"""Share of the ids that are items."""
TOUCHED = 0.01
"""Share of the rows that a day's window touches, all over the table: the worst case; a tenth of its users are new."""
UPDATE = UpdateSettings()
SMALL = 2_000
"""Ids of the generation that is made first."""
SERVABLE = 1_000
"""Items a request without an eligible set is answered from: what a catalogue costs is measured elsewhere."""
T = TypeVar("T")


def main(step: str, home: Path, ids: int, generation: int) -> None:
    """Do one step and say what it took."""
    with TemporaryDirectory() as folder:
        for before, number in (("first", 1), ("day", 2), ("serve", 2)):
            work(before, Path(folder), SMALL, number)
    begun = own_mib()
    seconds, held = work(step, home, ids, generation)
    sys.stdout.write(json.dumps(seconds | {"own_mib": own_mib() - begun}))
    del held


def work(step: str, home: Path, ids: int, generation: int) -> tuple[dict[str, float], object]:
    """Do one step; seconds by what was done, and what is in memory then."""
    seconds, held = dict[str, float](), list[object]()

    def timed(what: str, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        made = work()
        seconds[what] = time.perf_counter() - begin
        held.append(made)
        return made

    checkpoints, bundles = home / "checkpoints", home / "bundles"
    if step == "first":
        checkpoint = first(ids)
        write(checkpoint, home, generation, timed)
    elif step == "day":
        parent = timed("continue_seconds", lambda: load_checkpoint(checkpoints / bundle_name(generation - 1)))
        fresh = window(ids, generation)
        made = timed("warm_start_seconds", lambda: warm_start(parent, fresh, None, at(generation), UPDATE, generation))
        write(made.checkpoint, home, generation, timed)
    elif step == "serve":
        folder = bundles / bundle_name(generation)
        check_golden(folder, timed("load_seconds", lambda: load_bundle(folder)))
    return seconds, held


def own_mib() -> float:
    """MiB that this process alone holds: what it was given or wrote to, but no pages of files that are as on the disk.

    NaN where the kernel does not say.
    """
    told = Path("/proc/self/smaps_rollup")
    if not told.exists():
        return float("nan")
    gc.collect()
    return (
        sum(int(line.split()[1]) for line in told.read_text().splitlines() if line.startswith("Private_Dirty")) / 1024
    )


def first(ids: int) -> Checkpoint:
    """A model that has met `ids` ids, half trained."""
    model = Model.fresh(SPEC, RankerSettings(), 0)
    users, items = _users(ids), ids - _users(ids)
    user, item = key(np.arange(users)), key(-1 - np.arange(items))
    keys = np.stack([user, np.append(item, np.zeros(users - len(item), np.uint64))], 1)
    model.observe(Examples(keys, np.empty((users, 0), np.float32), np.full(users, at(0))))
    model.turn_over(1, 0, 0)
    return Checkpoint.fresh(model)


def window(ids: int, day: int) -> Matured:
    """What a day shows: users and items all over the table, and new ones."""
    rng = np.random.default_rng(day)
    users, items, n = _users(ids), ids - _users(ids), round(ids * TOUCHED / 2)
    user = rng.integers(0, users, n)
    user[: n // 10] = ids * (1 + day) + np.arange(n // 10)
    keys = np.stack([key(user), key(-1 - rng.integers(0, items, n))], 1)
    when = np.sort(rng.integers(at(day - 1), at(day), n))
    return Matured(Examples(keys, np.empty((n, 0), np.float32), when), (user % 3 == 0).astype(np.float32))


def write(
    checkpoint: Checkpoint, home: Path, generation: int, timed: "Callable[[str, Callable[[], object]], object]"
) -> None:
    """A generation's checkpoint and bundle, as the loop writes them."""
    saved = home / "checkpoints" / bundle_name(generation)
    timed("checkpoint_write_seconds", lambda: save_checkpoint(checkpoint, saved))
    content = _content(checkpoint.model, generation, saved)
    timed("bundle_write_seconds", lambda: write_bundle(home / "bundles", content))


def _content(model: Model, generation: int, saved: Path) -> BundleContent:
    memory = ErrorMemory.empty(SPEC, model.hidden_size, MemorySettings())
    memory.model_digest = model.digest()
    items = np.array([f"item {n}" for n in range(SERVABLE)], object)
    users = Attributes.build(pd.DataFrame({"user_id": ["ann"]}), "user_id", SPEC, FieldOf.USER)
    return BundleContent(
        provenance=Provenance(
            generation=generation,
            parent=generation - 1 or None,
            source="made",
            start=at(generation - 1),
            cutoff=at(generation),
            verdict=Verdict.PROMOTE,
        ),
        encoder=Encoder(SPEC, users, Attributes.build(pd.DataFrame({"item_id": items}), "item_id", SPEC, FieldOf.ITEM)),
        model=model,
        memory=memory,
        memory_settings=MemorySettings(),
        policy=PolicySettings(),
        outcome=RewardRule(kind="click"),
        servable=items,
        saved=saved,
    )


def at(day: int) -> int:
    """The instant at which a day ends, microseconds."""
    return (20_000 + day) * DAY


def key(number: Ints) -> Keys:
    """Distinct keys of distinct numbers."""
    return mix(number.astype(np.uint64) + np.uint64(1 << 62))


def _users(ids: int) -> int:
    return ids - round(ids * ITEMS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
