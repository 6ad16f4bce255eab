"""One HTML page from typed blocks: a single file, readable offline, with one look for the whole product.

A page says what was measured (tiles, tables, figures) and what was decided (badges). The blocks are data
(`blocks.py`); how one is drawn is a Jinja macro (`blocks.html`). Style, script and data are inside the file,
and its content policy forbids any request, so a page that was kept with a generation reads the same in ten
years. All text is escaped: ids and reasons come from users' logs.
"""

import gzip
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from components.pages.blocks import Badge, Block, Figure, Link, Section, show
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
    A complete document. plotly.js (1.8 MB, packed) is part of it only if a section has a figure.
    """
    drawn = any(isinstance(block, Figure) for section in sections for block in section.blocks)
    return _templates().get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        page_badges=badges,
        sections=sections,
        beside=beside,
        style=(HERE / "page.css").read_text("utf-8"),
        plotly=_plotly_js() if drawn else "",
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
    environment.filters |= {"show": show, "kind": _kind, "points": points, "plot": _plot}
    return environment


def _kind(block: Block) -> str:
    """Name of the macro that draws a block."""
    return type(block).__name__.lower()


def _plot(figure: Figure) -> str:
    """JSON of a figure that no text in it can end early."""
    return str(figure.figure.to_json()).replace("<", "\\u003c")


@cache
def _plotly_js() -> str:
    """plotly.js as base64 of gzip, which the page unpacks itself: 1.8 MB instead of 4.5 in every page that is kept."""
    from plotly.offline import get_plotlyjs

    return b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
