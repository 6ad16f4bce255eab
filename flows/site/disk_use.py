"""What a home takes of the disk, by kind: a file that lies in two places at once (a hard link) is counted once."""

import os
from collections.abc import Iterator
from pathlib import Path

KINDS = {
    "warehouse.duckdb": "warehouse",
    "warehouse.duckdb.wal": "warehouse",
    "facts": "old facts",
    "bundles": "bundles",
    "bentoml": "BentoML's stores",
    "checkpoints": "checkpoints",
    "references": "drift references",
    "memories": "memories",
    "snapshots": "memories",
    "turns": "turn folders",
    "reports": "report pages",
    "replay": "replay caches",
    "compare": "compared candidates",
    "decisions": "decision log",
    "prefect": "Prefect's history",
    "logs": "logs",
}
"""First part of a path in the home -> kind; a shared file belongs to the kind that comes first here."""
OTHER = "other"


def disk_use(home: Path) -> dict[str, int]:
    """Bytes by kind, the largest first; a file that goes while it is looked at is left out."""
    seen: set[tuple[int, int]] = set()
    found: dict[str, int] = {}
    order = [*KINDS]
    for path in sorted(home.iterdir(), key=lambda p: order.index(p.name) if p.name in KINDS else len(order)):
        kind = KINDS.get(path.name, OTHER)
        found[kind] = found.get(kind, 0) + size_of(path, seen)
    return dict(sorted(((k, n) for k, n in found.items() if n), key=lambda item: -item[1]))


def size_of(path: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes of a file or of everything in a folder; what is in `seen` (device, inode) is not counted, and then is."""
    seen = set() if seen is None else seen
    total = 0
    for stat in _stats(path):
        if (stat.st_dev, stat.st_ino) not in seen:
            seen.add((stat.st_dev, stat.st_ino))
            total += stat.st_size
    return total


def told(size: int) -> str:
    """A size in words.

    >>> told(999), told(12_345), told(3_456_789), told(12_345_678_901)
    ('999 bytes', '12 kB', '3.5 MB', '12.3 GB')
    """
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _stats(path: Path) -> Iterator[os.stat_result]:
    try:
        if not path.is_dir() or path.is_symlink():
            yield path.lstat()
            return
        with os.scandir(path) as entries:
            inner = list(entries)
    except OSError:
        return
    for entry in inner:
        if entry.is_dir(follow_symlinks=False):
            yield from _stats(Path(entry.path))
        else:
            try:
                yield entry.stat(follow_symlinks=False)
            except OSError:
                continue
