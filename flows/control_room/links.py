"""Where a page of a home is: an address, where one is configured or a service says so, else the file."""

import os
from collections.abc import Iterable
from pathlib import Path

from components.pages.turn_pages import WORDS, TurnPage
from flows.control_room.markdown import text
from flows.stack.environment import REPORTS
from flows.turn import Turn
from flows.workspace import Workspace


def address(turn: Turn, path: Path) -> str | None:
    """The address of a file of the report site, if that is served somewhere: as the settings say, or a stack."""
    served = turn.settings.control_room.reports_url or os.environ.get(REPORTS)
    return below(served, turn.workspace, path)


def below(base: str | None, workspace: Workspace, path: Path) -> str | None:
    """The address of a file of a report site that is served at `base`; None without."""
    return None if base is None else f"{base.rstrip('/')}/{path.relative_to(workspace.reports)}"


def place(turn: Turn, path: Path) -> str:
    """The address of a file of the home, or the file."""
    return address(turn, path) or str(path)


def linked(turn: Turn, words: str, path: Path) -> str:
    """Markdown that leads to a file of the home."""
    found = address(turn, path)
    return f"{text(words)}: `{path}`" if found is None else f"[{text(words)}]({found})"


def pages(turn: Turn) -> "Iterable[tuple[str, Path]]":
    """What the turn has written so far, with words for it."""
    there = ((WORDS[page], turn.pages / page.file) for page in TurnPage)
    return [(words, path) for words, path in there if path.exists()]


def linked_page(turn: Turn, page: TurnPage) -> str:
    """Markdown that leads to a page of the turn, a line of its own; empty where there is none."""
    path = turn.pages / page.file
    return f"\n{linked(turn, f'Full report, {WORDS[page].lower()}', path)}\n" if path.exists() else ""
