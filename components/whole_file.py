"""A file appears whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from components.domain import Transient

READABLE = 0o644
"""Rights of what is written: the owner's to change, everybody's to read."""


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in its place.

    A reader sees the old file or the new one; if `write` raises, nothing is left behind.

    Parameters
    ----------
    durable : whether the content has reached the disk, and survives a power cut, on return.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    unfinished = Path(name)
    try:
        write(unfinished)
        unfinished.chmod(READABLE)
        if durable:
            _sync(unfinished)
        unfinished.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def link_or_copy(source: Path, target: Path) -> bool:
    """Let `target` be the file at `source`, which never changes; whether as a link, the bytes on the disk once.

    Where the file system has no links, or no more of them, or `target` is on another one, it is a copy.

    Raises
    ------
    OSError
        If there is no such file, or the disk refuses the copy.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    link = target.with_name(f".{target.name}.{os.getpid()}.link")
    try:
        link.unlink(missing_ok=True)
        link.hardlink_to(source)
        link.replace(target)
    except FileNotFoundError:
        raise
    except OSError:
        write_whole(target, lambda part: shutil.copyfile(source, part))
        return False
    finally:
        link.unlink(missing_ok=True)  # left where both were the same file already
    return True


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file whole: temp name, fsync, rename, fsync of the folder.

    Raises
    ------
    Transient
        If the disk refuses (full, read-only, quota); the old file is untouched.
    """
    try:
        write_whole(path, lambda part: part.write_bytes(content), durable=True)
    except OSError as error:
        raise Transient(f"cannot write {path}: {error.strerror}; free space and rights there are needed") from None


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
