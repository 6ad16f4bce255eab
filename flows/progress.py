"""Who watches the stages: the command line shows them, a scheduled run does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watcher = Callable[[str], None]

_watchers: list[Watcher] = []


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` with the name of every stage that begins inside the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def begin(stage: str) -> None:
    """Tell whoever watches that a stage begins."""
    for watcher in _watchers:
        watcher(stage)
