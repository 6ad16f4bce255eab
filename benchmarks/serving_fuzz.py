"""Malformed bodies against a running service: ``python -m benchmarks.serving_fuzz --home .evercurrent --bodies 10000``.

Every body is made by breaking a sound one in one of the ways below, by a seeded generator, so that a fault can be
found again. The service must answer each with a status from 400 to 499 and one line of reason, must never fault, and
must answer a sound request afterwards. Numbers are sound ids: they are read as their text.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from random import Random

from benchmarks.serving_load import service
from components.domain import EvercurrentError
from components.publish.pointer import read_pointer

SOUND: dict[str, dict[str, object]] = {
    "/rank": {"user_id": "7", "slate_size": 2, "eligible": ["p1", "p2", "p3"], "exclude": ["p3"], "context": {}},
    "/outcome": {"impression_id": "never-0", "kind": "click", "value": 1, "grade": 0.5},
    "/outcomes": {"outcomes": [{"impression_id": "never-0", "kind": "click", "value": 1}]},
}
"""Path -> a body that reads well; whether it can be answered depends on the home."""

Made = tuple[str, bytes]
"""Path and body."""


@dataclass(frozen=True)
class Answered:
    """One answer: the status, and its line of reason, None where it has none."""

    status: int
    reason: str | None

    def refused(self) -> bool:
        """Whether it is a refusal as it should be."""
        return 400 <= self.status < 500 and bool(self.reason) and "\n" not in str(self.reason)


@dataclass(frozen=True)
class Fuzzed:
    """What came of all bodies. `wrong` are those answered otherwise than with 4xx and one line, at most ten."""

    seed: int
    bodies: int
    statuses: dict[str, int]
    by_way: dict[str, dict[str, int]]
    wrong: tuple[str, ...]
    alive: bool


def malformed(seed: int, count: int) -> Iterator[tuple[str, Made]]:
    """So many broken requests, each with the name of the way it was broken."""
    dice = Random(seed)
    for _ in range(count):
        way = dice.choice(tuple(WAYS))
        path = dice.choice(tuple(SOUND))
        yield way, (path, WAYS[way](dice, json.loads(json.dumps(SOUND[path]))))


def _cut(dice: Random, body: dict[str, object]) -> bytes:
    whole = json.dumps(body).encode()
    return whole[: dice.randrange(len(whole))]


def _noise(dice: Random, body: dict[str, object]) -> bytes:
    return dice.randbytes(dice.randrange(1, 400))


def _no_text(dice: Random, body: dict[str, object]) -> bytes:
    """JSON whose texts are no UTF-8."""
    whole = json.dumps(body).encode()
    place = whole.index(b'"', 2) + 1
    return whole[:place] + dice.choice((b"\xff", b"\xc3\x28", b"\xed\xa0\x80")) + whole[place:]


def _no_object(dice: Random, body: dict[str, object]) -> bytes:
    return dice.choice((b"null", b"[]", b"[[]]", b"1", b'"rank"', b"true", b"", b" ", b"{}", b"{}{}", b"NaN"))


def _field_missing(dice: Random, body: dict[str, object]) -> bytes:
    needed = [name for name in body if name in ("user_id", "slate_size", "impression_id", "kind", "value", "outcomes")]
    del body[dice.choice(needed)]
    return json.dumps(body).encode()


def _field_unknown(dice: Random, body: dict[str, object]) -> bytes:
    body[dice.choice(("userid", "__class__", "", "\u0000", "x" * 5000))] = 1
    return json.dumps(body).encode()


def _other_type(dice: Random, body: dict[str, object]) -> bytes:
    body[dice.choice(tuple(name for name in body if name not in ("value", "grade")))] = dice.choice(
        ([[]], {"a": {"b": 1}}, [None], True, [{}])
    )
    return json.dumps(body).encode()


def _bad_id(dice: Random, body: dict[str, object]) -> bytes:
    bad = dice.choice(("", "a\nb", "\u0000", "x" * 257, "\u00e4" * 129, "\u007f", "\u0085"))
    if "outcomes" in body:
        body["outcomes"] = [{"impression_id": bad, "kind": "click", "value": 1}]
    elif "user_id" in body:
        body[dice.choice(("user_id", "eligible", "exclude"))] = [bad] if dice.random() < 0.5 else bad
        body["user_id"] = bad if dice.random() < 0.5 else body["user_id"]
    else:
        body[dice.choice(("impression_id", "kind"))] = bad
    return json.dumps(body).encode()


def _bad_number(dice: Random, body: dict[str, object]) -> bytes:
    bad = dice.choice((b"1e999", b"NaN", b"-Infinity", b"1e-", b"0x10", b"9" * 5000, b"-0.0.1", b"--1"))
    name = "slate_size" if "user_id" in body else "grade"
    if "outcomes" in body:
        return b'{"outcomes": [{"impression_id": "never-0", "kind": "click", "value": 1, "grade": ' + bad + b"}]}"
    del body[name]
    return json.dumps(body).encode()[:-1] + b', "' + name.encode() + b'": ' + bad + b"}"


def _deep(dice: Random, body: dict[str, object]) -> bytes:
    depth = dice.choice((300, 5_000, 100_000))
    opened, closed = dice.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return b'{"user_id": ' + opened * depth + b"1" + closed * depth + b"}"


def _long(dice: Random, body: dict[str, object]) -> bytes:
    """More than a request may have: of bytes, of items, of outcomes."""
    if "user_id" in body:
        body["eligible"] = [str(n) for n in range(dice.choice((5_001, 200_000)))]
    elif "outcomes" in body:
        body["outcomes"] = [{"impression_id": "never-0", "kind": "click", "value": 1}] * dice.choice((1_001, 40_000))
    else:
        body["kind"] = "x" * dice.choice((257, 1_500_000))
    return json.dumps(body).encode()


def _out_of_range(dice: Random, body: dict[str, object]) -> bytes:
    if "user_id" in body:
        body["slate_size"] = dice.choice((0, -1, 4, 10**9, 2**63, -(2**70), 1.5))
    elif "outcomes" in body:
        body["outcomes"] = []
    else:
        body["value"] = dice.choice(([], {}, None, [1], {"a": 1}))
    return json.dumps(body).encode()


def _twice(dice: Random, body: dict[str, object]) -> bytes:
    if "user_id" in body:
        body["eligible"] = ["p1", "p1"]
        return json.dumps(body).encode()
    return json.dumps(body).encode() + json.dumps(body).encode()


WAYS: dict[str, Callable[[Random, dict[str, object]], bytes]] = {
    made.__name__.strip("_"): made
    for made in (
        _cut,
        _noise,
        _no_text,
        _no_object,
        _field_missing,
        _field_unknown,
        _other_type,
        _bad_id,
        _bad_number,
        _deep,
        _long,
        _out_of_range,
        _twice,
    )
}


def fuzz(ask: Callable[[str, bytes], Answered], seed: int, count: int) -> Fuzzed:
    """Ask all; `ask` is told path and body."""
    statuses: Counter[str] = Counter()
    by_way: dict[str, Counter[str]] = {way: Counter() for way in WAYS}
    wrong: list[str] = []
    for number, (way, (path, body)) in enumerate(malformed(seed, count)):
        answered = ask(path, body)
        statuses[str(answered.status)] += 1
        by_way[way][str(answered.status)] += 1
        if not answered.refused():
            wrong.append(f"body {number}, {way} of {path}: {answered.status} {answered.reason}; {body[:200]!r}")
    return Fuzzed(seed, count, dict(statuses), {w: dict(c) for w, c in by_way.items()}, tuple(wrong[:10]), _alive(ask))


def _alive(ask: Callable[[str, bytes], Answered]) -> bool:
    """Whether a sound request is answered after all that."""
    sound = {"user_id": "7", "slate_size": 1, "eligible": ["p1", "p2"]}
    return ask("/rank", json.dumps(sound).encode()).status == 200


def over_http(port: int) -> Callable[[str, bytes], Answered]:
    """Ask a service on loopback; a connection that breaks is status 0."""

    def ask(path: str, body: bytes) -> Answered:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            return read(answer.status, answer.read())
        except OSError as error:
            return Answered(0, str(error))
        finally:
            connection.close()

    return ask


def read(status: int, body: bytes) -> Answered:
    """An answer with the line of its reason."""
    try:
        found = json.loads(body)
    except ValueError:
        return Answered(status, None)
    return Answered(status, found.get("error") if isinstance(found, dict) else None)


def main(words: Iterable[str] | None = None) -> None:
    """Fuzz a service on a copy of a home; code 1 where an answer was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".evercurrent"))
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(None if words is None else list(words))
    try:
        found = _fuzz_home(given.home, given.seed, given.bodies)
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n")
    sys.exit(0 if found.alive and not found.wrong else 1)


def _fuzz_home(home: Path, seed: int, count: int) -> Fuzzed:
    if read_pointer(home) is None:
        raise EvercurrentError(f"{home} has no champion; make one first: make run")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bundles", "pointers"):
            shutil.copytree(home / name, Path(folder) / name)
        with service(Path(folder)) as running:
            return fuzz(over_http(running.port), seed, count)


if __name__ == "__main__":
    main()
