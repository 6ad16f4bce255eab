"""The files of a folder, each with its size and SHA-256: how a bundle, or a checkpoint, is known to be whole."""

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field

from components.frozen import Frozen
from components.whole_file import digest_of

LARGE = 1 << 20
"""Bytes from which on files are worth a thread each: hashing lets the others run."""


class Part(Frozen):
    """One file: `path` relative to its folder with forward slashes, its size and SHA-256."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def list_parts(folder: Path, apart: Collection[str] = (), known: Mapping[str, Part] | None = None) -> tuple[Part, ...]:
    """Every file below `folder` but those `apart`, in order of path.

    Parameters
    ----------
    known : path -> what is known of files that are links to others: they are not read again.
    """
    told = known or {}
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    names = sorted((name for name in paths if name not in apart), key=lambda name: paths[name])
    fresh = [name for name in names if name not in told]
    digests = dict(zip(fresh, _digests([paths[name] for name in fresh]), strict=True))
    return tuple(
        told[name] if name in told else Part(path=name, bytes=paths[name].stat().st_size, sha256=digests[name])
        for name in names
    )


def differing(expected: Iterable[Part], found: Iterable[Part]) -> str | None:
    """The first path whose part is missing, extra or another, with what was expected and found; None where all are."""
    wanted, there = {p.path: p for p in expected}, {p.path: p for p in found}
    for path in sorted(wanted.keys() | there.keys()):
        want, have = wanted.get(path), there.get(path)
        if want != have:
            said = f"{want.sha256[:12]}, {want.bytes} bytes" if want else "no such part"
            had = f"{have.sha256[:12]}, {have.bytes} bytes" if have else "nothing"
            return f"part {path}: the manifest says {said}, found {had}"
    return None


def _digests(paths: list[Path]) -> list[str]:
    """Large files side by side, the largest first; the others one after the other."""
    large = sorted((p for p in paths if p.stat().st_size >= LARGE), key=lambda p: -p.stat().st_size)
    digests = {p: digest_of(p) for p in paths if p not in set(large)}
    if large:
        with ThreadPoolExecutor(min(len(large), os.cpu_count() or 1)) as pool:
            digests |= dict(zip(large, pool.map(digest_of, large), strict=True))
    return [digests[p] for p in paths]
