"""What the loop did, keyed by cutoff and generation: typed functions over ``sql/06_ledger``.

Every write is idempotent: a turn that is run again writes the same rows. Instants are microseconds UTC.
"""

from typing import TypeVar

import pandas as pd
import pyarrow as pa

from components.domain import Window
from components.frozen import Frozen
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction
from warehouse.records import (
    BatchTaken,
    CanaryEnded,
    CanaryMade,
    CanaryWanted,
    Counts,
    DriftDecided,
    Everything,
    Generation,
    Judged,
    JudgedGeneration,
    Memory,
    NamedLast,
    ReleaseMade,
    ReleaseWanted,
    SetAside,
    SetAsideMade,
    Trusted,
    TurnKept,
)

Record = TypeVar("Record", bound=Frozen)

QUARANTINE = pa.schema([("table_name", pa.string()), ("row_id", pa.string()), ("reason", pa.string())])


def champion(w: Warehouse) -> int | None:
    """The generation that the latest release made champion; None before the first."""
    found = _rows(w, "champion")
    return None if not found else _whole(found[0]["generation"])


def champion_of_turn(w: Warehouse, cutoff: int) -> int | None:
    """The champion that the turn ending at a cutoff began with; None before the first."""
    found = _rows(w, "champion_of_turn", cutoff=cutoff)
    return None if not found else _whole(found[0]["generation"])


def last_window(w: Warehouse, before: int) -> Window | None:
    """The latest finished turn's window that ended before an instant."""
    found = _rows(w, "last_window", cutoff=before)
    return Window(_whole(found[0]["start"]), _whole(found[0]["cutoff"])) if found else None


def windows(w: Warehouse, since: int, before: int) -> tuple[Window, ...]:
    """The windows of finished turns whose cutoff is in ``[since, before)``, in order."""
    found = _rows(w, "windows", since=since, cutoff=before)
    return tuple(Window(_whole(row["start"]), _whole(row["cutoff"])) for row in found)


def first_generation(w: Warehouse) -> int | None:
    """The cutoff at which the first generation was made; None before."""
    made = generations(w)
    return made[0].cutoff if made else None


def first_instant(w: Warehouse) -> int | None:
    """The instant of the first impression."""
    first = _rows(w, "first_instant")[0]["first_at"]
    return None if first is None else _whole(first)


def open_window(w: Warehouse, window: Window) -> None:
    """Enter a turn; a turn without an end is resumed, never repeated."""
    _write(w, "open_window", start=window.start, cutoff=window.cutoff)


def finished_turn(w: Warehouse, cutoff: int) -> str | None:
    """The record (JSON) of the turn that ended at a cutoff; None while it is not finished."""
    found = _rows(w, "turn", cutoff=cutoff)
    return str(found[0]["turn"]) if found and found[0]["finished"] else None


def finish_turn(
    w: Warehouse, cutoff: int, requests: int, impressions: int, record: str, aside: SetAside | None = None
) -> None:
    """The last write of a turn; with a window that it sets `aside`, both are written or neither."""
    with connect(w.path) as connection, transaction(connection):
        if aside is not None:
            query.execute(connection, "06_ledger/record_set_aside", source=w.source, **_parameters(aside))
        counts = {"requests": requests, "impressions": impressions}
        query.execute(connection, "06_ledger/count_again", source=w.source, cutoff=cutoff)
        query.execute(connection, "06_ledger/close_window", source=w.source, cutoff=cutoff, turn=record, **counts)


def turns(w: Warehouse) -> tuple[TurnKept, ...]:
    """Every finished turn with what its stages found, in order."""
    return _records(w, "turns", TurnKept)


def set_asides(w: Warehouse) -> tuple[SetAsideMade, ...]:
    """Every decision about a window, in order."""
    return _records(w, "set_asides", SetAsideMade)


def decided_windows(w: Warehouse) -> tuple[SetAsideMade, ...]:
    """What stands of each window about which something was decided, in order of time."""
    return standing_of(set_asides(w))


def standing_of(made: tuple[SetAsideMade, ...]) -> tuple[SetAsideMade, ...]:
    """The latest decision about each window, in order of time."""
    latest = {(one.start, one.cutoff): one for one in made}
    return tuple(latest[ends] for ends in sorted(latest))


def record_set_aside(w: Warehouse, decided: SetAside) -> None:
    """Keep a decision about a window; one that stands already is not repeated."""
    _write(w, "record_set_aside", **_parameters(decided))


def late(w: Warehouse, start: int) -> dict[Window, int]:
    """Impressions that have come, of windows that ended by `start`, since a turn counted them last."""
    found = _rows(w, "late", start=start)
    more = {Window(_whole(r["start"]), _whole(r["cutoff"])): _whole(r["more"]) for r in found}
    return {window: rows for window, rows in more.items() if rows > 0}


def record_validation(w: Warehouse, window: Window, accepted: int, rejected: pd.DataFrame, report: str) -> None:
    """Keep what validation found of a window; `rejected` has columns table_name, row_id, reason.

    A row stands in quarantine once: what earlier looks at the same open window rejected is replaced.
    """
    table = pa.Table.from_pandas(rejected, schema=QUARANTINE, preserve_index=False)
    with connect(w.path) as connection, transaction(connection):
        ends = {"start": window.start, "cutoff": window.cutoff}
        query.execute(connection, "02_validate/clear_quarantine", source=w.source, **ends)
        query.execute(
            connection,
            "02_validate/replace_quarantine",
            {"batch_quarantine": table},
            source=w.source,
            cutoff=window.cutoff,
        )
        query.execute(
            connection,
            "06_ledger/record_validation",
            source=w.source,
            cutoff=window.cutoff,
            accepted=accepted,
            quarantined=len(rejected),
            report=report,
        )


def drift_state(w: Warehouse, before: int) -> str | None:
    """The state that the latest drift decision before a cutoff left, as JSON."""
    found = _rows(w, "drift_state", cutoff=before)
    return str(found[0]["state"]) if found else None


def record_drift(w: Warehouse, decided: DriftDecided) -> None:
    """Keep a drift decision."""
    _write(w, "record_drift", **_parameters(decided))


def generation(w: Warehouse, number: int) -> Generation:
    """A generation by its number; it must be there."""
    return Generation.model_validate(_rows(w, "generation", generation=number)[0])


def generations(w: Warehouse) -> tuple[JudgedGeneration, ...]:
    """All generations in order, with their verdicts."""
    return _records(w, "generations", JudgedGeneration)


def generation_number(w: Warehouse, cutoff: int) -> int:
    """The number of the generation made at a cutoff, or the next one: a resumed turn keeps its number."""
    made = _rows(w, "generation_at", cutoff=cutoff) or _rows(w, "next_generation")
    return _whole(made[0]["generation"])


def record_generation(w: Warehouse, made: Generation) -> None:
    """Keep a generation; written once."""
    _write(w, "record_generation", **_parameters(made))


def record_judgement(w: Warehouse, judged: Judged) -> None:
    """Keep what the gate said."""
    _write(w, "record_evaluation", **_parameters(judged))


def released_in(w: Warehouse, cutoff: int) -> bool:
    """Whether the turn that ended at a cutoff has moved the champion pointer."""
    return bool(_rows(w, "release_at", cutoff=cutoff))


def releases(w: Warehouse) -> tuple[ReleaseMade, ...]:
    """Every move of the champion pointer, in order."""
    return _records(w, "releases", ReleaseMade)


def record_release(w: Warehouse, wanted: ReleaseWanted) -> None:
    """Append a move of the champion pointer."""
    _write(w, "record_release", **_parameters(wanted))


def canaries(w: Warehouse) -> tuple[CanaryMade, ...]:
    """Every canary, in the order they were sent out."""
    return _records(w, "canaries", CanaryMade)


def canary_out(w: Warehouse) -> CanaryMade | None:
    """The canary that is out, or None."""
    return next((c for c in canaries(w) if c.verdict is None), None)


def canary_of_turn(w: Warehouse, cutoff: int) -> CanaryMade | None:
    """The canary that was out when the turn ending at a cutoff opened, be it that the turn has ended it since."""
    found = (c for c in canaries(w) if c.began_at < cutoff)
    return next((c for c in found if c.verdict is None or c.ended_at == cutoff), None)


def send_canary_out(w: Warehouse, wanted: CanaryWanted) -> None:
    """Let a generation serve some users first; written once."""
    _write(w, "send_canary_out", **_parameters(wanted))


def record_canary_look(w: Warehouse, generation: int, looked_at: int, look: str) -> None:
    """Keep the latest look at a canary."""
    _write(w, "record_canary_look", generation=generation, looked_at=looked_at, look=look)


def end_canary(w: Warehouse, ended: CanaryEnded) -> None:
    """Keep what became of a canary; written once."""
    _write(w, "end_canary", **_parameters(ended))


def last_memory(w: Warehouse, of_generation: int, until: int) -> Memory | None:
    """The latest memory of a generation that knows nothing later than `until`."""
    found = _records(w, "last_memory", Memory, generation=of_generation, cutoff=until)
    return found[0] if found else None


def memories_after(w: Warehouse, instant: int) -> tuple[Memory, ...]:
    """Memories as of a later instant, of generations that were made by then."""
    return _records(w, "memories_after", Memory, instant=instant)


def champion_before(w: Warehouse, instant: int) -> int | None:
    """The generation that was released last, of those that know nothing later than an instant."""
    found = _rows(w, "champion_before", instant=instant)
    return None if not found else _whole(found[0]["generation"])


def record_memory(w: Warehouse, kept: Memory) -> None:
    """Keep where a memory lies."""
    _write(w, "record_memory", **_parameters(kept))


def memories(w: Warehouse) -> tuple[Memory, ...]:
    """Every memory that is kept, by generation and cutoff."""
    return _records(w, "memories", Memory)


def record_trust(w: Warehouse, trusted: Trusted) -> None:
    """Keep what a memory trusts."""
    _write(w, "record_trust", **_parameters(trusted))


def superseded_memories(w: Warehouse, of_generation: int, window: Window) -> tuple[Memory, ...]:
    """Memories of a generation as of instants inside a window, all but the latest: one made at its cutoff is later."""
    ends = {"start": window.start, "cutoff": window.cutoff}
    return _records(w, "superseded_memories", Memory, generation=of_generation, **ends)


def forget_memory(w: Warehouse, *memories: Memory) -> None:
    """Take memories off the ledger."""
    with connect(w.path) as connection, transaction(connection):
        for memory in memories:
            query.execute(connection, "06_ledger/forget_memory", generation=memory.generation, cutoff=memory.cutoff)


def standing(w: Warehouse, of_generation: int) -> str | None:
    """What a released generation stands on, as JSON; None for one that the gate did not release."""
    found = _rows(w, "standing", generation=of_generation)
    return str(found[0]["standing"]) if found else None


def standings(w: Warehouse) -> dict[int, str]:
    """Generation -> what it stands on, as JSON, of every one that the gate released."""
    return {_whole(row["generation"]): str(row["standing"]) for row in _rows(w, "standings")}


def named_last(w: Warehouse) -> tuple[NamedLast, ...]:
    """Of every generation, when the ledger names it last."""
    return _records(w, "named", NamedLast)


def record_standing(w: Warehouse, of_generation: int, told: str) -> None:
    """Keep what a released generation stands on."""
    _write(w, "record_standing", generation=of_generation, standing=told)


def promises(w: Warehouse) -> dict[int, str]:
    """Generation -> what the gate promised of its release, and what it earned since, as JSON; in order."""
    return {_whole(row["generation"]): str(row["promise"]) for row in _rows(w, "promises")}


def record_promise(w: Warehouse, of_generation: int, told: str) -> None:
    """Keep a promise, or what became of it."""
    _write(w, "record_promise", generation=of_generation, promise=told)


def batches_of_window(w: Warehouse, window: Window) -> tuple[BatchTaken, ...]:
    """The batches that hold rows of a window, in order of time."""
    return _records(w, "batches_of_window", BatchTaken, start=window.start, cutoff=window.cutoff)


def counts(w: Warehouse) -> Counts:
    """Rows of the warehouse."""
    return _records(w, "counts", Counts)[0]


def everything(w: Warehouse) -> Everything:
    """All that the report site is drawn of, of one instant: the warehouse is opened once."""
    with connect(w.path) as connection:

        def rows(name: str) -> list[dict[str, object]]:
            return query.rows(connection, f"06_ledger/{name}", source=w.source)

        told = {name: rows(name) for name in ("generations", "turns", "releases", "canaries", "trusts", "set_asides")}
        return Everything.model_validate(
            {**told, "promises": {r["generation"]: r["promise"] for r in rows("promises")}}
        )


def _rows(w: Warehouse, name: str, **parameters: query.Parameter) -> list[dict[str, object]]:
    name = f"06_ledger/{name}"
    with connect(w.path) as connection:
        return query.rows(connection, name, **_of_source(w, name), **parameters)


def _records(w: Warehouse, name: str, kind: type[Record], **parameters: query.Parameter) -> tuple[Record, ...]:
    return tuple(kind.model_validate(row) for row in _rows(w, name, **parameters))


def _write(w: Warehouse, name: str, **parameters: query.Parameter) -> None:
    name = f"06_ledger/{name}"
    with connect(w.path) as connection:
        query.execute(connection, name, **_of_source(w, name), **parameters)


def _of_source(w: Warehouse, name: str) -> dict[str, query.Parameter]:
    """Generations are numbered across sources: queries by their number need no source."""
    return {"source": w.source} if "source" in query.parameters_of(name) else {}


def _parameters(record: Frozen) -> dict[str, query.Parameter]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in record.model_dump().items()}


def _whole(value: object) -> int:
    assert isinstance(value, int), "the query selects a whole number"
    return value
