"""A Redis of the test's own: on a port of loopback, with an append-only file, ended with the test."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis

from components.ingest.log_stream import FAULTS, LogStream
from flows.stack.ports import free_port

BINARY = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(BINARY is None, reason="no redis-server: apt-get install redis-server")
FAST = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no")


class Broker:
    """A server in a folder; `words` are options more."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.words, self.port = folder, words, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def stream(self) -> LogStream:
        return LogStream.at(self.url, "evercurrent")

    @property
    def client(self) -> Redis:
        return self.stream.client()

    def start(self) -> None:
        assert BINARY is not None
        command = [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *FAST]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.words], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()[-500:]
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def restart(self, how: int = signal.SIGKILL) -> None:
        self.stop(how)
        self.start()

    def _answers(self) -> bool:
        try:
            self.client.execute_command("PING")
        except FAULTS as error:
            return "password" in str(self.stream.refused(error))
        return True
