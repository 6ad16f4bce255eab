"""Who answers: follows the champion pointer and swaps generations between two requests.

A new champion is loaded, with its latest snapshot, and caught up with the decision log beside the old one, which
goes on answering until one assignment replaces it. A pointer or bundle that is broken changes
nothing but `fault`: better yesterday's champion than none.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bento.log import follow
from bento.settings import ServiceSettings
from components.domain import EvercurrentError, Transient
from components.publish.golden import check_golden
from components.publish.manifest import bundle_name
from components.publish.pointer import Role, pointer_path, read_pointer
from components.publish.read_bundle import load_bundle
from components.publish.set_aside import aside_path, read_decided
from components.publish.signature import check_signature
from components.publish.snapshot import Resumed, resumed
from components.serving.live_memory import LiveMemory
from components.serving.served import RankRequests, Served

logger = logging.getLogger("bentoml.evercurrent")

ABSENT = "no champion yet in {home}; run `make run` or `evercurrent loop` first, or set EVERCURRENT_HOME"


class Champion:
    """The live generation of a home, or of a Bento's own bundle where the home has no pointer."""

    def __init__(self, settings: ServiceSettings, clock: Callable[[], int], packed: Path | None = None) -> None:
        self._settings, self._clock, self._packed = settings, clock, packed
        self._seen: Stamp | None = None
        self.live: LiveMemory | None = None
        self.fault: str | None = ABSENT.format(home=settings.home)

    def prepare(self) -> LiveMemory | None:
        """The next champion, ready to take over, or None if the pointer has not moved. Blocks; any thread."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            folder = self._folder()
            if folder is None:
                return None
            if self.live is not None and answers(self.live, folder, self._settings.home):
                self.fault = None
                return None
            live = load_live(folder, self._settings, self._clock)
        except (OSError, Transient) as error:
            self._seen = None  # the disk, or the log's broker, may answer next time
            self._refuse(error)
        except (EvercurrentError, ValueError, KeyError) as error:
            self._refuse(error)
        else:
            return live
        return None

    def _refuse(self, error: Exception) -> None:
        fault = " ".join(str(error).split())
        if fault != self.fault:
            logger.error("stage=serve event=refused_champion reason=%s", fault)
        self.fault = fault

    def swap(self, live: LiveMemory) -> None:
        """Let `live` answer from now on."""
        before, self.live, self.fault = self.live, live, None
        if before is not None:
            before.close()
        logger.info("stage=serve event=swap generation=%d learned=%d", live.served.generation, live.learned)

    @property
    def site(self) -> Path:
        """The report site of the home, if it has one."""
        return self._settings.home / "reports"

    def reports(self) -> dict[str, Path]:
        """Name -> file of the reports in the bundle of who answers."""
        if self.live is None:
            return {}
        own = bundle_name(self.live.served.generation)
        bundles = [self._settings.home / "bundles" / own, *([] if self._packed is None else [self._packed])]
        folder = next((b / "reports" for b in bundles if (b / "reports").is_dir()), None)
        return {} if folder is None else {path.name: path for path in sorted(folder.iterdir())}

    def _stamp(self) -> "Stamp":
        return stamp_of(self._settings.home, Role.CHAMPION)

    def _folder(self) -> Path | None:
        pointer = read_pointer(self._settings.home)
        return self._packed if pointer is None else self._settings.home / pointer.bundle


Stamp = tuple[tuple[int, int], ...]
"""Tells whether files were replaced: inode and instant of each, zeros where there is none."""


def stamp_of(home: Path, role: Role) -> Stamp:
    """Of what decides who answers, and what its memory leaves out."""
    return tuple(_replaced(path) for path in (pointer_path(home, role), aside_path(home)))


def _replaced(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_ino, stat.st_mtime_ns)


def answers(live: LiveMemory, folder: Path, home: Path) -> bool:
    """Whether a process has the generation of a bundle, and leaves out of its memory what is to be left out."""
    same = folder.name == bundle_name(live.served.generation)
    return same and live.aside == read_decided(home).latest


def load_live(folder: Path, settings: ServiceSettings, clock: Callable[[], int]) -> LiveMemory:
    """The generation of a bundle, which answers as its maker had it answer, caught up with the decision log.

    Raises
    ------
    EvercurrentError, OSError, ValueError, KeyError
        If the bundle cannot be read, is broken, or computes otherwise here.
    """
    if settings.release_key is not None:
        check_signature(folder, settings.release_key)
    released = load_bundle(folder)
    check_golden(folder, released)
    start = _resumed(settings.home, released)
    aside = read_decided(settings.home).latest
    live = LiveMemory(start.served, start.known_until, follow(settings), settings.steps, aside)
    try:
        live.catch_up()
    except Transient:
        live.close()
        raise
    live.advance(clock())
    _warm(live.served, clock())
    return live


def _resumed(home: Path, released: Served) -> Resumed:
    """From the latest snapshot; where that is broken, from the bundle: it takes longer, and knows the same."""
    try:
        return resumed(home, released)
    except (EvercurrentError, OSError, ValueError, KeyError) as error:
        logger.warning("stage=serve event=snapshot_passed_over reason=%s", " ".join(str(error).split()))
        return Resumed(released, released.cutoff)


def _warm(served: Served, now: int) -> None:
    """Score one made-up request: what is computed at first use (look-up tables, compiled code) is ready for callers."""
    if len(served.servable):
        served.score_eligible(served.informed(RankRequests.of([""], np.array([now]), [served.servable[:1]])))
