"""What a home may lose: what lies there on one side, what must be kept on the other, and a list of what goes.

The plan is pure: `planned` sees names and numbers alone. Whatever it does not recognise stays.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from components.domain import DAY
from components.frozen import Frozen
from components.ingest.log_tail import ENDING
from components.publish.retention import RetentionSettings, day_start, horizon_of
from flows.workspace import Workspace

TRASH = ".pruned"
"""What goes is first moved here, whole, so that nothing is ever seen half gone."""
REPLAYED = ("requests.parquet", "impressions.parquet", "outcomes.parquet")
"""Of a replay's cache what the turn after it has ingested; its scores stay, the page of the replay is made of them."""
TRUTH = ("evaluation.json", "target.parquet", "ingest.seconds", "play.seconds")
"""Of a replay's turn folder what the replay reads again when it is resumed."""
_GENERATION = re.compile(r"g(\d{6,})")
_MEMORY = re.compile(r"g(\d{6,})-(\d+)")


@dataclass(frozen=True, slots=True)
class Holding:
    """One thing that lies in the home: `path` relative to it, of which generation, as of which cutoff, if of any.

    `written` is when it was last written to, seconds by the clock.
    """

    kind: str
    path: str
    generation: int | None = None
    cutoff: int | None = None
    written: float = 0.0


@dataclass(frozen=True, slots=True)
class Keep:
    """What must stay.

    Attributes
    ----------
    generations : number -> why. turns : cutoffs of all finished turns, in order; at least one.
    latest_in_stores : names of BentoML's latest model and Bento, which a tag without a version means.
    now : seconds by the clock, for what has no place in data time.
    """

    generations: dict[int, str]
    turns: tuple[int, ...]
    now: float
    latest_in_stores: frozenset[str] = frozenset()


class Item(Frozen):
    """One thing that goes: `path` relative to the home, `bytes` that it frees, and why it may go."""

    kind: str
    path: str
    bytes: int
    why: str
    generation: int | None = None
    cutoff: int | None = None


def planned(holdings: Iterable[Holding], keep: Keep, settings: RetentionSettings) -> list[tuple[Holding, str]]:
    """What goes and why, in the order in which it has to: what names something goes before what it names."""
    there = list(holdings)
    latest, horizon = keep.turns[-1], horizon_of(keep.turns[-1], settings.days)
    newest = _newest_memories(there, latest)
    recent_turns = set(keep.turns[-settings.turns :])
    found: list[tuple[Holding, str]] = []
    for h in there:
        why = ""
        if h.kind == "leftover":
            why = "left over from something that was interrupted"
        elif h.kind == "log":
            why = "not written to for long" if keep.now - h.written > settings.logs_days * 86_400 else ""
        elif h.kind == "copy":
            why = "as the warehouse was before it was migrated" if keep.now - h.written > settings.days * 86_400 else ""
        elif h.kind == "memory" and h.generation in keep.generations:
            why = "a later one is kept" if _old(h, horizon) and h.path not in newest else ""
        elif h.generation is not None:
            gone = h.generation not in keep.generations and Path(h.path).name not in keep.latest_in_stores
            why = f"generation {h.generation} is not needed any more" if gone else ""
        elif h.kind == "pages":
            why = "old" if _old(h, horizon_of(latest, settings.pages_days)) else ""
        elif h.kind == "decisions" and settings.decisions_days is not None:
            why = "old; the warehouse has what it says" if _old(h, horizon_of(latest, settings.decisions_days)) else ""
        elif h.kind in ("turn", "replay") and h.cutoff not in recent_turns:
            ingested = h.kind == "turn" or (h.cutoff or 0) < latest
            why = "old; the ledger has its figures" if _old(h, horizon) and ingested else ""
        if why:
            found.append((h, why))
    return sorted(found, key=lambda pair: (ORDER.index(pair[0].kind), pair[0].path))


COPIES = "warehouse.[0-9][0-9][0-9][0-9].duckdb"
"""What the warehouse was before a migration."""
FACTS = "facts"
"""A day of facts: it leaves the warehouse, and not its own folder."""
ORDER = (
    "leftover",
    "bento",
    "model",
    "snapshot",
    "memory",
    "checkpoint",
    "bundle",
    "turn",
    "replay",
    "pages",
    "decisions",
    "log",
    "copy",
    FACTS,
)


def holdings(workspace: Workspace) -> Iterator[Holding]:
    """Everything in a home that may ever go."""
    root = workspace.root
    folders = {"bundles": "bundle", "checkpoints": "checkpoint", "snapshots": "snapshot"}
    folders |= {"bentoml/models/evercurrent_bundle": "model", "bentoml/bentos/evercurrent": "bento"}
    for folder, kind in folders.items():
        for path in _inside(root / folder):
            if number := _GENERATION.match(path.name):
                yield Holding(kind, _name(root, path), int(number[1]))
    for path in _inside(root / "memories"):
        if both := _MEMORY.fullmatch(path.name):
            yield Holding("memory", _name(root, path), int(both[1]), int(both[2]))
    for folder in ("bundles", "memories", "replay", "checkpoints", "facts", "."):
        for path in _inside(root / folder):
            if path.name.startswith(".") and path.name.endswith(".part"):
                yield Holding("leftover", _name(root, path))
    yield from (Holding("leftover", _name(root, path)) for path in _inside(root / TRASH))
    yield from (Holding("copy", p.name, written=p.stat().st_mtime) for p in sorted(root.glob(COPIES)))
    yield from _turns(workspace)
    for path in _inside(workspace.reports / "turns"):
        if path.name.isdigit():
            yield Holding("pages", _name(root, path), cutoff=int(path.name))
    for path in _inside(root / "decisions" / "archive"):
        rests = (workspace.decisions / f"{path.stem}{ENDING}").exists()  # by its archive what is left of it is known
        if (ends := _end_of_day(path.name)) is not None and not rests:
            yield Holding("decisions", _name(root, path), cutoff=ends)
    yield from (
        Holding("log", _name(root, p), written=p.stat().st_mtime) for p in _inside(root / "logs") if p.is_file()
    )


def _turns(workspace: Workspace) -> Iterator[Holding]:
    """Turn folders, and the caches of a replay; where there is a replay, what it reads again stays."""
    root, replay = workspace.root, workspace.root / "replay"
    for folder in (p for p in _inside(root / "turns") if p.name.isdigit()):
        cutoff = int(folder.name)
        if not replay.is_dir():
            yield Holding("turn", _name(root, folder), cutoff=cutoff)
        else:
            rest = (p for p in _inside(folder) if p.name not in TRUTH)
            yield from (Holding("turn", _name(root, p), cutoff=cutoff) for p in rest)
    for folder in (p for p in _inside(replay) if p.name.isdigit()):
        tables = (folder / name for name in REPLAYED if (folder / name).exists())
        yield from (Holding("replay", _name(root, p), cutoff=int(folder.name)) for p in tables)


def _newest_memories(there: Iterable[Holding], latest: int) -> set[str]:
    """Of every generation the newest memory, and the newest as of the latest turn: the next turn starts from it."""
    newest: dict[tuple[int | None, bool], Holding] = {}
    for h in (h for h in there if h.kind == "memory"):
        for key in ((h.generation, False), (h.generation, True)):
            if key[1] and (h.cutoff or 0) > latest:
                continue
            if key not in newest or (newest[key].cutoff or 0) < (h.cutoff or 0):
                newest[key] = h
    return {h.path for h in newest.values()}


def _end_of_day(name: str) -> int | None:
    """The instant that ends the day a file is named after, microseconds; None where it is named otherwise.

    >>> _end_of_day("1970-01-02-7-5.parquet") // DAY, _end_of_day("1970-02-31-7-5.parquet"), _end_of_day("notes")
    (2, None, None)
    """
    with suppress(ValueError):
        return day_start(date.fromisoformat(name[:10])) + DAY
    return None


def _old(h: Holding, horizon: int) -> bool:
    return h.cutoff is not None and h.cutoff < horizon


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
