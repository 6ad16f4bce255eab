"""A Redis and some replicas of a service over it, each with a home of its own as if on its own machine; and load."""

import json
import random
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.nodes import Node
from benchmarks.serving_load import HERE, NO_WORDS, SERVICE, Running, free_port, wait
from components.domain import EvercurrentError
from components.ingest.log_stream import FAULTS, LogStream

REPLICAS = 3
KEPT = ("--appendonly", "yes", "--save", "")
EVERYTHING = "rank,outcome,catalogue,admin"
OK = 200
WAIT = 15.0
"""Seconds until a caller gives up: longer than the service's own 10, so that its 504 is told from a silence."""
NOBODY = 0
"""Status of an answer that did not come."""


class Said(NamedTuple):
    """What came back: the status, `NOBODY` where nobody answered, and the body or why there is none."""

    status: int
    text: str


@dataclass
class Broker:
    """A Redis that keeps what it was told in a folder; with `appendfsync` always, what it answered is on its disk."""

    folder: Path
    node: Node = HERE
    fsync: str = "always"
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def stream(self) -> LogStream:
        """The log in it."""
        return LogStream.at(f"redis://:{self.password}@{self.node.address}:{self.port}/0", "evercurrent")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise EvercurrentError("redis-server is not installed; Debian has it: apt-get install redis-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        where = ["--port", str(self.port), "--bind", self.node.address, "--dir", str(self.folder)]
        words = [*KEPT, "--appendfsync", self.fsync, "--requirepass", self.password]
        silent = subprocess.DEVNULL
        self.process = subprocess.Popen([*self.node.within, program, *where, *words], stdout=silent, stderr=silent)
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
    """Replicas over one broker, the n-th on the n-th node and around; `told` are variables of all of them."""

    broker: Broker
    homes: list[Path]
    nodes: Sequence[Node] = (HERE,)
    told: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    running: list[Running] = field(default_factory=list)

    def start(self, number: int) -> Running:
        """Start one replica, on the port it had."""
        port = self.running[number].port if number < len(self.running) else free_port()
        told = {"EVERCURRENT_LOG": self.broker.stream.url, **self.told}
        made = Running.start(self.homes[number], SERVICE, port, told, self.nodes[number % len(self.nodes)])
        self.running[number : number + 1] = [made]
        return made

    def urls(self) -> list[str]:
        """Where they answer."""
        return [one.url for one in self.running]

    def ask(self, url: str, body: Mapping[str, object] | None = None) -> Said:
        """What one of them says."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with urlopen(
                Request(url, None if body is None else json.dumps(body).encode(), headers), timeout=WAIT
            ) as got:
                return Said(got.status, got.read().decode())
        except HTTPError as error:
            return Said(error.code, error.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:  # the latter: an answer that was cut off
            return Said(NOBODY, type(getattr(error, "reason", error)).__name__)


@contextmanager
def fleet(
    home: Path,
    folder: Path,
    replicas: int = REPLICAS,
    nodes: Sequence[Node] = (HERE,),
    told: Mapping[str, str] = NO_WORDS,
) -> Iterator[Fleet]:
    """Replicas that are ready, of copies of what a home releases; ended with the block. The broker is on node 0."""
    made = Fleet(Broker(folder / "redis", nodes[0]), [folder / f"replica-{n}" for n in range(replicas)], nodes, told)
    for copy in made.homes:
        for name in ("bundles", "pointers"):
            shutil.copytree(home / name, copy / name)
    if any(node.within for node in nodes):  # who calls from elsewhere needs a token
        made.token, tokens = secrets.token_hex(16), folder / "tokens"
        tokens.write_text(f"{EVERYTHING} {made.token}\n")
        made.told = {**told, "EVERCURRENT_TOKENS": str(tokens)}
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
    """What was answered with 200: impressions that were shown, outcomes that were accepted; and what was refused."""

    impressions: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, path: str, said: Said, seconds: float) -> None:
        """Count a refusal by what it said, without what differs from one to the next."""
        waited = " after 1 s or more" if seconds >= 1 else ""
        try:
            text = str(json.loads(said.text)["error"])
        except (ValueError, KeyError, TypeError):
            text = said.text
        words = [word if not any(sign.isdigit() for sign in word) else "..." for word in text.split()]
        self.refused[f"{path} {said.status or 'nobody'}{waited}: {' '.join(words)[:160]}"] += 1


@contextmanager
def asking(
    fleet: Fleet, body: Mapping[str, object], told: Mapping[str, object], heard: Acknowledged, threads: int
) -> Iterator[None]:
    """Callers that ask any replica for a slate and tell two what came of it; nothing where `told` is empty."""
    over = threading.Event()

    def call(dice: random.Random, path: str, sent: Mapping[str, object]) -> Said | None:
        begin = time.perf_counter()
        said = fleet.ask(f"{dice.choice(fleet.urls())}{path}", sent)
        if said.status == OK:
            return said
        heard.refuse(path, said, time.perf_counter() - begin)
        return None

    def ask(seed: int) -> None:
        dice = random.Random(seed)
        while not over.is_set():
            answer = call(dice, "/rank", body)
            if answer is None:
                over.wait(0.05)
                continue
            shown = [s["impression_id"] for s in json.loads(answer.text)["slate"]]
            heard.impressions.extend(shown)
            for _ in range(2 if told else 0):
                said = call(dice, "/outcome", {"impression_id": shown[0], **told})
                if said is not None and json.loads(said.text)["accepted"]:
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
