"""A headless Chromium that is told what to do over the DevTools protocol: pages draw themselves after they loaded."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.control_room.stack import until

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1400",
    "--remote-debugging-port=0",
)


@dataclass
class Page:
    """One tab."""

    socket: ClientConnection
    number: "Iterator[int]" = field(default_factory=lambda: count(1))

    def ask(self, method: str, **parameters: Any) -> Any:
        """The result of a command; what the browser tells meanwhile is passed over."""
        number = next(self.number)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (told := json.loads(self.socket.recv(60))).get("id") != number:
            pass
        assert "error" not in told, told
        return told["result"]

    def open(self, url: str) -> None:
        """Go to an address."""
        self.ask("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """What an expression is in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    @property
    def text(self) -> str:
        """What a reader sees."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """The text of the page once all of `words` stand in it."""

        def look() -> str | None:
            text = self.text
            return text if all(word in text for word in words) else None

        try:
            return until(look, seconds)
        except AssertionError:
            missing = [word for word in words if word not in self.text]
            raise AssertionError(f"{missing} did not appear in: {self.text[:2000]}") from None

    def click(self, words: str) -> None:
        """Click on the innermost button, tab or link that reads `words`."""
        script = f"""(() => {{
            const all = [...document.querySelectorAll('button, a, [role=tab], li, span')];
            const found = all.filter(e => e.innerText.trim() === {json.dumps(words)} && e.offsetParent !== null).at(-1);
            if (found) found.click();
            return Boolean(found);
        }})()"""
        until(lambda: self.value(script) or None, 30)

    def picture(self, path: Path) -> None:
        """Take a screenshot."""
        time.sleep(0.5)  # what fades in is drawn; nothing is asserted on it
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A tab of a browser whose profile lies in `folder`."""
    assert BROWSER, "tests that need a browser are skipped without one"
    profile = folder / "profile"
    running = subprocess.Popen(
        [BROWSER, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = until(lambda: _port(profile), 60)
        tabs = until(lambda: httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=5).json() or None, 30)
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(address, max_size=None) as socket:
            yield Page(socket)
    finally:
        running.terminate()
        running.wait(20)


def _port(profile: Path) -> str | None:
    path = profile / "DevToolsActivePort"
    return path.read_text().split()[0] if path.exists() and path.read_text() else None
