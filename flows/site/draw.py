"""Draw the front page of a home's site: by every turn at its end, and by hand from the ledger alone."""

import logging
from pathlib import Path

from components.pages.page import write_page
from flows.site.history import read_history
from flows.site.index_page import index_page
from flows.workspace import Workspace

log = logging.getLogger(__name__)

INDEX = "index.html"


def draw_site(workspace: Workspace) -> Path:
    """Write the front page anew, whole, and return where it lies.

    Raises
    ------
    ContractBroken, Transient
        If the home holds no log yet; if another process holds the warehouse.
    """
    path = workspace.reports / INDEX
    write_page(path, index_page(read_history(workspace)))
    return path


def refresh_site(workspace: Workspace) -> None:
    """`draw_site` at the end of something that is done already: what goes wrong here is said, and fails nothing."""
    try:
        draw_site(workspace)
    except Exception as error:  # a page is never worth a turn
        log.warning("stage=site event=not_drawn reason=%s", " ".join(f"{type(error).__name__}: {error}".split()))
