"""A Redis and some replicas of a service over it, each with a home of its own as if on its own machine; and load."""

import json
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving_load import SERVICE, Running, call, free_port, wait
from components.domain import EvercurrentError
from components.ingest.log_stream import FAULTS, LogStream

REPLICAS = 3
KEPT = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
"""What was answered is on the broker's disk."""


@dataclass
class Broker:
    """A Redis on loopback that keeps what it was told in a folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def stream(self) -> LogStream:
        """The log in it."""
        return LogStream.at(f"redis://127.0.0.1:{self.port}/0", "evercurrent")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise EvercurrentError("redis-server is not installed; Debian has it: apt-get install redis-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        silent = subprocess.DEVNULL
        self.process = subprocess.Popen([program, *where, *KEPT], stdout=silent, stderr=silent)
        wait(self._answers, 60)

    def end(self, how: int = signal.SIGTERM) -> None:
        """End it, politely or as a power cut does."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            self.stream.client().execute_command("PING")
        except FAULTS:
            return False
        return True


@dataclass
class Fleet:
    """Replicas over one broker."""

    broker: Broker
    homes: list[Path]
    running: list[Running] = field(default_factory=list)

    def start(self, number: int) -> Running:
        """Start one replica, on the port it had."""
        port = self.running[number].port if number < len(self.running) else free_port()
        made = Running.start(self.homes[number], SERVICE, port, {"EVERCURRENT_LOG": self.broker.stream.url})
        self.running[number : number + 1] = [made]
        return made

    def urls(self) -> list[str]:
        """Where they answer."""
        return [one.url for one in self.running]


@contextmanager
def fleet(home: Path, folder: Path, replicas: int = REPLICAS) -> Iterator[Fleet]:
    """Replicas that are ready, of copies of what a home releases; ended with the block."""
    made = Fleet(Broker(folder / "redis"), [folder / f"replica-{n}" for n in range(replicas)])
    for copy in made.homes:
        for name in ("bundles", "pointers"):
            shutil.copytree(home / name, copy / name)
    with ExitStack() as ending:
        ending.callback(made.broker.end)
        made.broker.start()
        for number in range(replicas):
            made.start(number)
            ending.callback(lambda n=number: made.running[n].kill())  # type: ignore[misc]
        for one in made.running:
            one.until_ready()
        yield made


@dataclass
class Acknowledged:
    """What was answered with 200: impressions that were shown, outcomes that were accepted."""

    impressions: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


@contextmanager
def asking(
    fleet: Fleet, body: Mapping[str, object], told: Mapping[str, object], heard: Acknowledged, threads: int
) -> Iterator[None]:
    """Callers that ask any replica for a slate and tell two what came of it; nothing where `told` is empty."""
    over = threading.Event()

    def ask(seed: int) -> None:
        dice = random.Random(seed)
        while not over.is_set():
            answer = call(f"{dice.choice(fleet.urls())}/rank", body)
            if answer is None:
                over.wait(0.05)
                continue
            shown = [s["impression_id"] for s in json.loads(answer)["slate"]]
            heard.impressions.extend(shown)
            for _ in range(2 if told else 0):
                said = call(f"{dice.choice(fleet.urls())}/outcome", {"impression_id": shown[0], **told})
                if said is not None and json.loads(said)["accepted"]:
                    heard.outcomes.append(shown[0])

    callers = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
    for one in callers:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in callers:
            one.join()
