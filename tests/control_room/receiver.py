"""A receiver of notifications on loopback that answers as it is told to."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK, DROP = 204, -1
"""Take it; drop the connection without an answer."""


@dataclass
class Receiver:
    """What came, and what is answered: `answers` in order, then OK; each after `seconds`."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    seconds: float = 0.0
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def receiver(*answers: int, seconds: float = 0.0) -> Iterator[Receiver]:
    """A receiver while the block runs."""
    told = Receiver(answers=list(answers), seconds=seconds)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.asked.append(self.path)
            told.headers.append(dict(self.headers))
            time.sleep(told.seconds)
            status = told.answers.pop(0) if told.answers else OK
            if status == DROP:
                return
            if status == OK:
                told.taken.append(body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{told.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that went away is what some tests are about."""

    server: socketserver.BaseServer = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[index]
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
