"""What a cell of a table or a tile may hold, and how it is shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import urlsplit

ABSENT = "\N{EN DASH}"
"""What a cell shows where there is no figure."""


class Tone(StrEnum):
    """How a value is to be read; `PLAIN` says nothing."""

    PLAIN = "plain"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Badge:
    """A verdict or an action in one or two words."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `href` is relative, ``#anchor``, or http(s)."""

    text: str
    href: str

    def __post_init__(self) -> None:
        if urlsplit(self.href.strip()).scheme not in ("", "http", "https"):
            raise ValueError(f"link to {self.href!r}; allowed are relative, http and https addresses")


@dataclass(frozen=True, slots=True)
class Folded:
    """A sentence, and what opens below it."""

    text: str
    more: tuple[str, ...] = ()

    @classmethod
    def of(cls, sentences: Sequence[str]) -> "Folded | None":
        """The first one, and the others below it."""
        return cls(sentences[0], tuple(sentences[1:])) if sentences else None


Cell: TypeAlias = str | int | float | Badge | Link | tuple[Link, ...] | Folded | None


def show(value: Cell, spec: str | None = None) -> str:
    """Text of a cell: counts with thousands separators, fractions with four significant digits.

    >>> show(1234567), show(0.123456), show(0.5, ".1%"), show(float("nan"))
    ('1,234,567', '0.1235', '50.0%', '–')
    """
    if isinstance(value, Badge | Link | Folded):
        return value.text
    if isinstance(value, tuple):
        return " ".join(link.text for link in value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, str | bool):
        return str(value)
    if spec is not None:
        return format(value, spec)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"
