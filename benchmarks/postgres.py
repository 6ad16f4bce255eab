"""A throw-away PostgreSQL: a cluster of the system's own binaries in a folder, on a port of loopback."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil

from components.domain import ContractBroken
from flows.stack.ports import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Where Debian has them; empty where PostgreSQL is not installed."""

AS_OTHER = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
"""PostgreSQL refuses to run as root."""

SECRET = "throwaway"


class Cluster:
    """A cluster in a folder that everybody may enter: the server is another user's."""

    def __init__(self, folder: Path) -> None:
        if not BINARIES:
            raise ContractBroken("no PostgreSQL in /usr/lib/postgresql; install it: apt-get install postgresql")
        self.data, self.port = folder / "data", free_port()
        self.url = f"postgresql+asyncpg://prefect:{SECRET}@127.0.0.1:{self.port}/prefect"
        folder.mkdir(mode=0o755)
        if AS_OTHER:
            shutil.chown(folder, "postgres")
        (folder / "password").write_text(f"{SECRET}\n")
        self._run("initdb", "-D", self.data, "-U", "prefect", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "prefect", "prefect")

    def start(self) -> None:
        """Start it, after a kill with the recovery that this takes."""
        said = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-o", said, "-w", "-l", self.data / "log", "start")

    def stop(self) -> None:
        """End it as its administrator does."""
        self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def processes(self) -> list[psutil.Process]:
        """The server and what it started, for whoever cuts the power."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        return [*server.children(recursive=True), server]

    def _run(self, name: str, *words: object) -> None:
        command = [*AS_OTHER, str(BINARIES[-1] / name), *map(str, words)]
        password = {"PGPASSWORD": SECRET, "PATH": os.environ["PATH"]}
        with (self.data.parent / "log").open("ab") as log:  # a pipe would stay open as long as the server lives
            ended = subprocess.run(command, env=password, cwd="/", stdout=log, stderr=log, timeout=120, check=False)
        assert ended.returncode == 0, (name, *words, (self.data.parent / "log").read_text()[-600:])
