"""Three replicas that share nothing but a Redis stream: ``python -m benchmarks.replicas --home .evercurrent --json``.

How long after an outcome was acknowledged by one replica has another learned it, while all are asked; and what is left
after ``kill -9`` of replicas and of the broker, again and again, under load: what was acknowledged and is not in the
drained log, and what is there twice. Needs `redis-server`; with
``--nodes 2`` the replicas stand on network namespaces of this machine (root's to make, `benchmarks.nodes`), the broker
on the first.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.nodes import here, nodes_of
from benchmarks.replicas_fleet import OK, Acknowledged, Fleet, asking, fleet
from benchmarks.serving_load import wait
from components.domain import EvercurrentError
from components.ingest.log_lines import OutcomeLine, RequestLine, parse_line
from components.publish.pointer import read_pointer
from components.publish.read_bundle import load_bundle
from flows.stages.drain import drain
from flows.workspace import Workspace

THREADS = 4
BROKER_EVERY = 5
"""So many kills of replicas come to one of the broker."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """Milliseconds from an acknowledged outcome to another's memory, calls `refused` meanwhile; what kills cost.

    `answered` counts impressions and outcomes that were acknowledged while replicas (`kills`) and broker
    (`broker_kills`) were killed and a node was cut off (`cuts`); `lost` of them are not in the drained log,
    `duplicated` lines are there twice. `refusals` and `killed_refusals` count what was said to those who were refused,
    without and with kills.
    """

    nodes: int
    when_away: str
    visible_ms_p50: float
    visible_ms_p99: float
    refused: int
    refusals: dict[str, int]
    kills: int
    broker_kills: int
    cuts: int
    answered: int
    lost: int
    duplicated: int
    longest_away_s: float
    killed_refusals: dict[str, int]
    load_average: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The body of a request and of its outcome."""

    body: Mapping[str, object]
    told: Mapping[str, object]

    @classmethod
    def of(cls, home: Path) -> "Asked":
        """By what the champion of a home can serve."""
        champion = read_pointer(home)
        if champion is None:
            raise EvercurrentError(f"{home} has no champion; make one first: make run")
        bundle = home / champion.bundle
        items = pq.read_table(bundle / "servable_items.parquet")["item_id"].to_pylist()[:100]
        rule = load_bundle(bundle).outcome
        value = 1 if rule.at_least is None else rule.at_least
        body = {"user_id": "somebody", "slate_size": min(3, len(items)), "eligible": items}
        return cls(body, {"kind": rule.kind, "value": value})


def measure(home: Path, kills: int, outcomes: int, nodes: int, cuts: int, when_away: str) -> Replicas:
    """All figures; `nodes` 0: this machine as it is."""
    if cuts and nodes < 2:
        raise EvercurrentError(f"--cuts {cuts} with --nodes {nodes}: what is cut off is a second node; allowed is 2")
    asked = Asked.of(home)
    with ExitStack() as ending:
        there = ending.enter_context(nodes_of(nodes, reached=True) if nodes else here())
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="evercurrent-")))
        running = ending.enter_context(fleet(home, folder, nodes=there, told={"EVERCURRENT_LOG_WHEN_AWAY": when_away}))
        calm, heard, away = Acknowledged(), Acknowledged(), [0.0]
        with asking(running, asked.body, {}, calm, THREADS):
            visible = [_visible(running, asked, n, calm) for n in range(outcomes)]
        with asking(running, asked.body, asked.told, heard, THREADS):
            brokers = kill(running, kills, away)
            cut(running, cuts)
        until_moved(running)
        lost, twice = _compared(heard, _lines(running, folder / "drained"))
    p50, p99 = (float(x) for x in np.percentile(visible, [50, 99]) * 1000)
    return Replicas(
        nodes,
        when_away,
        p50,
        p99,
        calm.refused.total(),
        dict(calm.refused.most_common()),
        kills,
        brokers,
        cuts,
        len(heard.impressions) + len(heard.outcomes),
        lost,
        twice,
        max(away),
        dict(heard.refused.most_common()),
        os.getloadavg()[0],
    )


def _visible(running: Fleet, asked: Asked, number: int, heard: Acknowledged) -> float:
    """Seconds from an outcome's acknowledgement by one replica until another has learned it."""
    first, second, third = (running.running[(number + n) % len(running.running)].url for n in range(3))
    slate = json.loads(_answered(running, first, "/rank", heard, asked.body))["slate"]
    before = _learned(running, third)
    told = {"impression_id": slate[0]["impression_id"], **asked.told}
    _answered(running, second, "/outcome", heard, told)
    begin = time.perf_counter()
    wait(lambda: _learned(running, third) > before, 30)
    return time.perf_counter() - begin


def _answered(running: Fleet, url: str, path: str, heard: Acknowledged, body: Mapping[str, object]) -> str:
    """The answer; who is refused is written down, and asks again, as a caller does who is told when to."""
    for _ in range(30):
        begin = time.perf_counter()
        said = running.ask(f"{url}{path}", body)
        if said.status == OK:
            return said.text
        heard.refuse(path, said, time.perf_counter() - begin)
        threading.Event().wait(1.0)
    raise EvercurrentError(f"{url} refuses: {' '.join(said.text.split())}")


def _learned(running: Fleet, url: str) -> int:
    said = running.ask(f"{url}/generation")
    if said.status != OK:
        raise EvercurrentError(f"{url}/generation answers {said.status}: {' '.join(said.text.split())}")
    return int(json.loads(said.text)["outcomes_learned"])


def kill(running: Fleet, kills: int, away: list[float]) -> int:
    """Kill replicas at random, and the broker now and then; each time until all are ready again."""
    dice, brokers = random.Random(0), 0
    for number in range(kills):
        threading.Event().wait(dice.uniform(0.2, 1.0))
        victim = dice.randrange(len(running.running))
        running.running[victim].kill()
        if number % BROKER_EVERY == 0:
            running.broker.end(signal.SIGKILL)
            threading.Event().wait(dice.uniform(0.0, 1.0))
            running.broker.start()
            brokers += 1
        begin = time.perf_counter()
        running.start(victim)
        for one in running.running:
            one.until_ready()
        away.append(time.perf_counter() - begin)
    return brokers


def cut(running: Fleet, cuts: int) -> None:
    """Take the broker from the replicas of another node, again and again, while callers reach them still.

    What was under way is neither answered nor refused: its connection stands, and nothing comes back.
    """
    dice, broker = random.Random(1), running.broker.node
    for _ in range(cuts):
        cut_off = next(node for node in running.nodes if node != broker)
        route = "blackhole", f"{broker.address}/32"
        subprocess.run([*cut_off.within, "ip", "route", "add", *route], check=True)
        threading.Event().wait(dice.uniform(1.0, 8.0))
        subprocess.run([*cut_off.within, "ip", "route", "delete", *route], check=True)
        for one in running.running:
            one.until_ready()
        until_moved(running)


def until_moved(running: Fleet) -> None:
    """Wait until no replica has decisions that are not in the stream."""
    for url in running.urls():
        wait(lambda url=url: _moved(running, url), 60)  # type: ignore[misc]


def _moved(running: Fleet, url: str) -> bool:
    said = running.ask(f"{url}/generation")
    return said.status == OK and json.loads(said.text)["degraded"] is None


def _lines(running: Fleet, home: Path) -> list[bytes]:
    """The drained log, line by line."""
    home.mkdir()
    (home / "evercurrent.toml").write_text(f'[log]\nurl = "{running.broker.stream.url}"\n')
    drain(Workspace(home))
    return [raw for path in sorted((home / "decisions").glob("*.jsonl")) for raw in path.read_bytes().splitlines()]


def _compared(heard: Acknowledged, lines: list[bytes]) -> tuple[int, int]:
    """How much of what was acknowledged is not in the log, and how much is twice: there, or acknowledged."""
    shown, known = Counter[str](), Counter[str]()
    for raw in lines:
        line = parse_line(raw)
        if isinstance(line, RequestLine):
            shown.update(one.impression_id for one in line.slate)
        elif isinstance(line, OutcomeLine):
            known[line.impression_id] += 1
    lost = len(set(heard.impressions) - shown.keys()) + len(set(heard.outcomes) - known.keys())
    counts = [*shown.values(), *known.values(), *Counter(heard.outcomes).values()]
    return lost, sum(count - 1 for count in counts)


def main() -> None:
    """Measure, and print one line of JSON or of text; what goes wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".evercurrent"))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--outcomes", type=int, default=200, help="outcomes whose way is timed")
    parser.add_argument("--nodes", type=int, default=0, help="network namespaces; 0: loopback")
    parser.add_argument("--cuts", type=int, default=0, help="times the second node loses the broker")
    parser.add_argument("--when-away", choices=("refuse", "spool"), default="refuse", help="as [log] when_away")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    try:
        found = measure(words.home, words.kills, words.outcomes, words.nodes, words.cuts, words.when_away)
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    if words.json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
    else:
        sys.stdout.write("".join(f"{name}: {_said(value)}\n" for name, value in asdict(found).items()))


def _said(value: float | str | dict[str, int]) -> str:
    if isinstance(value, dict):
        return "".join(f"\n  {n} x {what}" for what, n in value.items())
    return value if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    main()
