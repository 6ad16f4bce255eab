"""Who answers some users before all others: follows the canary pointer beside the champion's.

Both generations live in every worker, read the same decision log, and learn from all of it; a user is answered by the
one that the hash of the id says. A canary that cannot be loaded serves nobody: the champion answers everyone, and
`fault` says why. So does one whose champion has gone, until the loop has decided what becomes of it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bento.champion import Stamp, answers, load_live, stamp_of
from bento.settings import ServiceSettings
from components.domain import EvercurrentError, Transient
from components.publish.canary import Canary, read_canary
from components.publish.pointer import Role
from components.serving.live_memory import LiveMemory

logger = logging.getLogger("bentoml.evercurrent")


@dataclass(frozen=True, slots=True)
class LiveCanary:
    """A canary and its memory."""

    pointer: Canary
    live: LiveMemory

    def serves(self, champion: LiveMemory, user_id: str) -> bool:
        """Whether it answers this user, beside this champion."""
        return self.pointer.champion == champion.served.generation and self.pointer.serves(user_id)


class LiveCanaries:
    """The canary of a home, if one is out."""

    def __init__(self, settings: ServiceSettings, clock: Callable[[], int]) -> None:
        self._settings, self._clock = settings, clock
        self._seen: Stamp | None = None
        self.out: LiveCanary | None = None
        self.fault: str | None = None

    def choose(self, champion: LiveMemory, user_id: str) -> LiveMemory:
        """Who answers a user."""
        out = self.out
        return out.live if out is not None and out.serves(champion, user_id) else champion

    def prepare(self) -> LiveCanary | None:
        """What is to be out from now on, loaded if it is not yet; what is out if the pointer has not moved.

        Blocks; any thread. It takes effect when it is given to `swap`.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return self.out
        self._seen = stamp
        try:
            pointer, self.fault = read_canary(self._settings.home), None
            if pointer is None:
                return None
            folder = self._settings.home / pointer.bundle
            if self.out is not None and answers(self.out.live, folder, self._settings.home):
                return LiveCanary(pointer, self.out.live)
            return LiveCanary(pointer, load_live(folder, self._settings, self._clock))
        except (EvercurrentError, OSError, ValueError, KeyError) as error:
            self.fault = " ".join(str(error).split())
            logger.error("stage=serve event=refused_canary reason=%s", self.fault)
            if isinstance(error, OSError | Transient):
                self._seen = None  # the disk, or the log's broker, may answer next time
            return None

    def swap(self, out: LiveCanary | None) -> None:
        """Let `out` answer its users from now on; None: the champion answers everyone."""
        if out is self.out:
            return
        before, self.out = self.out, out
        if before is not None and (out is None or out.live is not before.live):
            before.live.close()
        generation, share = (0, 0.0) if out is None else (out.pointer.generation, out.pointer.share)
        logger.info("stage=serve event=canary generation=%d share=%g", generation, share)

    def _stamp(self) -> Stamp:
        return stamp_of(self._settings.home, Role.CANARY)
