"""Whether the broker that holds the decision log can be trusted with it: it answers, keeps, and evicts nothing."""

from collections.abc import Iterator
from typing import cast

from redis import Redis
from redis.exceptions import ResponseError

from components.domain import ContractBroken
from components.ingest.log_stream import FAULTS, LogStream
from flows.log_stream import log_settings, stream_of
from flows.stack.finding import Finding, fine, mend, note
from flows.workspace import Workspace

LEAST = (6, 2)
"""The first version with `XTRIM MINID`."""
FULL = 0.8
"""Share of `maxmemory` from which it is worth knowing."""


def check_log(workspace: Workspace) -> Iterator[Finding]:
    """The broker of the decision log; nothing where the log is files."""
    try:
        log_settings(workspace)
    except ContractBroken:  # as `check_home` says
        return
    try:
        stream = stream_of(workspace)
    except ContractBroken as broken:
        yield mend("log", str(broken), f"edit {workspace.settings}, or EVERCURRENT_LOG")
        return
    if stream is None:
        return
    client = stream.client()
    try:
        info = cast(dict[str, object], client.execute_command("INFO"))
        yield _reached(stream, client, info)
        yield from _kept(client)
        yield _room(info)
    except FAULTS as error:
        yield mend("log", str(stream.refused(error)), "start the broker, or name another with [log] url")
    finally:
        client.close()


def _reached(stream: LogStream, client: Redis, info: dict[str, object]) -> Finding:
    version = str(info.get("redis_version", "0"))
    if tuple(map(int, version.split(".")[:2])) < LEAST:
        allowed = ".".join(map(str, LEAST))
        return mend("log", f"{stream.where} is Redis {version}; allowed is {allowed} and later", "a newer Redis")
    if info.get("role") not in (None, "master"):
        return mend("log", f"{stream.where} is a copy that takes no lines", "name the primary with [log] url")
    entries = client.execute_command("XLEN", stream.name)
    return fine("log", f"{stream.where} answers, Redis {version}; {entries} entries in stream {stream.name}")


def _kept(client: Redis) -> Iterator[Finding]:
    """What an answer is worth: whether lines outlive the server, and whether it throws them away when it is full."""
    try:
        said = {name: _setting(client, name) for name in ("appendonly", "appendfsync", "maxmemory-policy")}
    except ResponseError:
        yield note("log kept", "the broker does not tell its settings; wanted: appendonly yes, maxmemory noeviction")
        return
    if said["appendonly"] != "yes":
        yield mend("log kept", "appendonly is no: a restart loses the log", "CONFIG SET appendonly yes, and its file")
    elif said["appendfsync"] == "always":
        yield fine("log kept", "appendonly yes, appendfsync always: what was answered is on the broker's disk")
    else:
        lost = "what was answered in the last two seconds may be lost with the broker"
        yield note("log kept", f"appendonly yes, appendfsync {said['appendfsync']}: {lost}; always loses nothing")
    if said["maxmemory-policy"] != "noeviction":
        policy = said["maxmemory-policy"]
        yield mend("log full", f"maxmemory-policy is {policy}: a full broker throws outcomes away", "set noeviction")
    else:
        yield fine("log full", "maxmemory-policy noeviction: a full broker refuses, and says so")


def _setting(client: Redis, name: str) -> str:
    found = cast(list[bytes], client.execute_command("CONFIG", "GET", name))
    return found[1].decode() if len(found) > 1 else ""


def _room(info: dict[str, object]) -> Finding:
    used, most = int(str(info.get("used_memory", 0))), int(str(info.get("maxmemory", 0)))
    said = f"{used / 1e6:.0f} MB used" + (f" of {most / 1e6:.0f}" if most else ", no maxmemory")
    if most and used > FULL * most:
        return mend("log room", said, "evercurrent refresh-memory drains and trims; or give it more maxmemory")
    return fine("log room", said)
