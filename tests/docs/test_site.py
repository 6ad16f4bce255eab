"""The documentation as a site: builds offline, loads nothing from anywhere, and its worked example works."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from tests.docs.http_api_page import PAGE, http_api_page
from tests.docs.test_docs import blocks, environment, free_port, run, wait_until_ready

ROOT = Path(__file__).resolve().parents[2]
YOUR_DATA = (ROOT / "docs" / "your-data.md").read_text()


class Loaded(HTMLParser):
    """What a browser would load, and what a reader could follow."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loaded.append(str(given["src"]))
        if tag == "link" and given.get("rel") != "canonical" and given.get("href"):
            self.loaded.append(str(given["href"]))
        if tag == "a" and given.get("href"):
            self.linked.append(str(given["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    quiet = {"NO_MKDOCS_2_WARNING": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(words, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(page: Path) -> Loaded:
    found = Loaded()
    found.feed(page.read_text())
    return found


def test_every_page_loads_what_lies_inside_the_site_and_nothing_else(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        for address in read(page).loaded:
            path = address.partition("?")[0].partition("#")[0]
            assert not re.match(r"(https?:)?//", path), f"{page.name} loads {address}"
            if page.name != "404.html":
                assert (page.parent / path).exists(), f"{page.name} loads {address}"
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"@import|url\(['\"]?(https?:)?//", styles)


def test_a_search_needs_no_server(site: Path) -> None:
    assert (site / "search" / "search_index.js").stat().st_size > 100_000
    assert "assets/iframe-worker-shim.js" in (site / "index.html").read_text()


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in read(page).linked:
            path, _, anchor = address.partition("#")
            if re.match(r"\w+:", address) or page.name == "404.html":
                continue
            target = (page.parent / path) if path else page
            if target.suffix == ".html" and target.exists() and anchor:
                assert f'id="{anchor}"' in target.read_text(), f"{page.name}: {address}"


def test_the_page_of_the_api_is_what_the_service_says() -> None:
    assert PAGE.read_text() == http_api_page()


def test_the_description_on_the_page_is_the_one_in_the_example() -> None:
    (described,) = blocks(YOUR_DATA, "toml")
    assert described == (ROOT / "docs" / "example" / "shop.toml").read_text()
    (rows,) = blocks(YOUR_DATA, "text")
    log = (ROOT / "docs" / "example" / "clicks.csv").read_text()
    assert all(line in log for line in rows.splitlines())


def test_a_newcomers_csv_is_served_after_three_commands(tmp_path: Path) -> None:
    for name in ("clicks.csv", "shop.toml"):
        shutil.copy(ROOT / "docs" / "example" / name, tmp_path)
    three, curl = blocks(YOUR_DATA, "sh")
    *first, serve = three.strip().splitlines()
    assert len(first) == 2 and serve.startswith("evercurrent serve")
    done = run("\n".join(first), tmp_path)
    assert "4395 rows received, 4395 new" in done.stdout
    assert "PROMOTE, champion is generation 1" in " ".join(done.stdout.split())
    port = free_port()
    words = [sys.executable, "-m", "flows.cli", *serve.split()[1:], "--port", str(port)]
    with (tmp_path / "serve.log").open("w") as log:
        server = subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=log, stderr=log)
    try:
        wait_until_ready(port)
        assert run(curl.replace("3000", str(port)), tmp_path).stdout.count('"impression_id"') == 3
        assert httpx.get(f"http://127.0.0.1:{port}/generation").json()["generation"] == 1
    finally:
        server.terminate()
        server.wait(60)
