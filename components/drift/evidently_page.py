"""Evidently's own page without its script: 4 MB become .2, and the script lies once beside all pages.

The page is another library's: it runs scripts, so it is no part of a bundle, and drawn only where the settings ask.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from components.pages.page import write_page
from components.pages.turn_pages import TurnPage

LARGE = {"script": 1_000_000, "style": 50_000}
"""Characters of a part of the page from which it is not a turn's own, but the library's (3.5 million of script)."""
_PARTS = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """A part that all pages share; its name is made of its content."""

    name: str
    text: str


def write_evidently(site: Path, folder: Path, html: str) -> None:
    """Write the page of a turn into `folder`, and what it shares with other turns' once, into ``site/assets``."""
    page, assets = without_library(html, os.path.relpath(site / "assets", folder))
    for asset in assets:
        path = site / "assets" / asset.name
        if not path.exists():
            write_page(path, asset.text)
    write_page(folder / TurnPage.EVIDENTLY.file, page)


def without_library(html: str, assets: str) -> tuple[str, list[Asset]]:
    """The page with links to its large parts below `assets`, and those parts."""
    found: list[Asset] = []

    def moved(part: re.Match[str]) -> str:
        kind, text = part.groups()
        if len(text) < LARGE[kind]:
            return part.group(0)
        end = "js" if kind == "script" else "css"
        asset = Asset(f"evidently-{hashlib.sha256(text.encode()).hexdigest()[:12]}.{end}", text)
        found.append(asset)
        where = f"{assets}/{asset.name}"
        return f'<script src="{where}"></script>' if end == "js" else f'<link rel="stylesheet" href="{where}">'

    return _PARTS.sub(moved, html), found
