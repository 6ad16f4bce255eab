"""One HTML page from typed blocks: a single file, readable offline, with one look for the whole product.

A page says what was measured (tiles, tables, figures) and what was decided (badges). The blocks are data
(`blocks.py`); how one is drawn is a Jinja macro (`blocks.html`). Style and drawings are inside the file, there is no
script at all, and its content policy forbids scripts and requests, so a page that was kept with a generation reads the
same in ten years. All text is escaped: ids and reasons come from users' logs.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from components.pages.blocks import Badge, Block, Link, Section, show
from components.pages.drawing import draw, summary
from components.pages.figures import points
from components.whole_file import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def render(
    title: str, subtitle: str, sections: Sequence[Section], badges: Sequence[Badge] = (), beside: Sequence[Link] = ()
) -> str:
    """HTML of a page.

    Parameters
    ----------
    title, subtitle : what the page is of, and of when; plain text.
    sections : in reading order.
    badges : shown beside the title: the verdict of the page.
    beside : the other pages of the same turn.

    Returns
    -------
    A complete document.
    """
    return _templates().get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        page_badges=badges,
        sections=sections,
        beside=beside,
        style=_style(),
    )  # fmt: skip


def write_page(path: Path, html: str) -> None:
    """Write `html` to `path` so that a reader sees the old page or the new one, never half of it."""
    write_whole(path, lambda part: part.write_text(html, encoding="utf-8"))


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"show": show, "kind": _kind, "points": points, "draw": draw, "summary": summary}
    return environment


def _kind(block: Block) -> str:
    """Name of the macro that draws a block."""
    return type(block).__name__.lower()


@cache
def _style() -> str:
    return (HERE / "page.css").read_text("utf-8")
