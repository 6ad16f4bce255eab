"""Windows that nobody learns from, as a process that answers requests knows them."""

from dataclasses import dataclass

from components.domain import Window


@dataclass(frozen=True, slots=True)
class Aside:
    """The windows that are set aside after the first `decisions` decisions about windows."""

    decisions: int = 0
    windows: tuple[Window, ...] = ()

    def covers(self, instant: int) -> bool:
        """Whether an instant, microseconds, lies in one of them."""
        return any(window.start <= instant < window.cutoff for window in self.windows)
