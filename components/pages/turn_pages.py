"""The pages of one turn, by name: they lie side by side in the site and in the bundle's reports."""

from collections.abc import Iterable
from enum import StrEnum

from components.pages.blocks import Link


class TurnPage(StrEnum):
    """Stem of a page's file name; figures beside it have the same stem and the suffix ``.json``."""

    VALIDATION = "validation"
    DRIFT = "drift"
    EVIDENTLY = "drift-evidently"
    EVALUATION = "evaluation"

    @property
    def file(self) -> str:
        """File name of the page."""
        return f"{self.value}.html"


KEPT = (TurnPage.VALIDATION, TurnPage.DRIFT, TurnPage.EVALUATION)
"""What a bundle keeps: pages that need nothing but themselves."""
BEFORE_EVALUATION = (TurnPage.VALIDATION, TurnPage.DRIFT)
"""What a turn has written when it comes to its evaluation; a page links what is there before it."""

WORDS = {
    TurnPage.VALIDATION: "Validation",
    TurnPage.DRIFT: "Drift",
    TurnPage.EVIDENTLY: "Evidently",
    TurnPage.EVALUATION: "Evaluation",
}


def links_to(pages: Iterable[TurnPage], folder: str = "") -> list[Link]:
    """Links to pages of a turn; `folder` is their relative address, empty for pages that lie side by side.

    >>> links_to([TurnPage.DRIFT], "../turns/7")
    [Link(text='Drift', href='../turns/7/drift.html')]
    """
    return [Link(WORDS[page], f"{folder}/{page.file}" if folder else page.file) for page in pages]
