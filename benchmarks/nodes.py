"""Nodes of one machine: network namespaces, each with an address of its own on one bridge. Root's to make.

Processes of two of them share the disk and the processors, but not the network: what they tell each other goes through
a virtual cable, and one that is taken down cuts its node off.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.domain import EvercurrentError

NETWORK = "10.231.77"
LOOPBACK = "127.0.0.1"
FILES = Path("/etc/netns")
"""Of files below a node's name here, `ip netns exec` makes those of /etc (man ip-netns)."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where a process runs: its `address` and `interface`, and the words before a command that put it there.

    `cable` is the end of its cable in the bridge; this machine as it is has none.
    """

    address: str
    interface: str
    within: tuple[str, ...] = ()
    cable: str = ""

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """The cable is down, and up again afterwards: nothing is said to either end, what is sent is lost."""
        _ip("link", "set", self.cable, "down")
        try:
            yield
        finally:
            _ip("link", "set", self.cable, "up")


@contextmanager
def here() -> Iterator[list[Node]]:
    """This machine as it is."""
    yield [Node(LOOPBACK, "lo")]


@contextmanager
def nodes_of(count: int, *, reached: bool = False) -> Iterator[list[Node]]:
    """So many nodes, gone afterwards; with `reached` this machine has an address on their bridge and can call them.

    Raises
    ------
    EvercurrentError
        If they cannot be made: no `ip`, or not root.
    """
    stem = f"ec{os.getpid() % 100_000}"
    made: list[tuple[str, ...]] = []
    try:
        _ip("link", "add", stem, "type", "bridge")
        made.append(("link", "delete", stem))
        _ip("link", "set", stem, "up")
        if reached:
            _ip("address", "add", f"{NETWORK}.254/24", "dev", stem)
        nodes = []
        for number in range(count):
            name, cable = f"{stem}n{number}", f"{stem}v{number}"
            _ip("netns", "add", name)
            made.append(("netns", "delete", name))
            (FILES / name).mkdir(parents=True, exist_ok=True)
            # nobody to ask for names: by the default route a question would be lost, and waited for
            (FILES / name / "resolv.conf").write_text("")
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            made.append(("link", "delete", cable))  # a process that is left in a namespace keeps it, and its end of it
            _ip("link", "set", cable, "master", stem)
            _ip("link", "set", cable, "up")
            address = f"{NETWORK}.{number + 1}"
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", name, "link", "set", interface, "up")
            _ip("-n", name, "route", "add", "default", "dev", "eth0")  # by it a process finds its own address
            nodes.append(Node(address, "eth0", ("ip", "netns", "exec", name), cable))
        yield nodes
    finally:
        for words in reversed(made):
            subprocess.run(["ip", *words], check=False, capture_output=True)
            if words[0] == "netns":
                shutil.rmtree(FILES / words[-1], ignore_errors=True)


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise EvercurrentError("no `ip` here; nodes need iproute2 (apt-get install iproute2)") from None
    except subprocess.CalledProcessError as error:
        raise EvercurrentError(f"ip {' '.join(words)}: {error.stderr.strip()}; nodes are root's to make") from None
