"""What the loop did, keyed by cutoff and generation: typed functions over ``sql/06_ledger``.

Every write is idempotent: a turn that is run again writes the same rows. Instants are microseconds UTC.
"""

import pandas as pd
import pyarrow as pa

from components.domain import Window
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction
from warehouse.ledger_rows import parameters, records, rows, whole, write
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
    Trusted,
    TurnKept,
)

QUARANTINE = pa.schema([("table_name", pa.string()), ("row_id", pa.string()), ("reason", pa.string())])


def champion(w: Warehouse) -> int | None:
    """The generation that the latest release made champion; None before the first."""
    found = rows(w, "champion")
    return None if not found else whole(found[0]["generation"])


def champion_of_turn(w: Warehouse, cutoff: int) -> int | None:
    """The champion that the turn ending at a cutoff began with; None before the first."""
    found = rows(w, "champion_of_turn", cutoff=cutoff)
    return None if not found else whole(found[0]["generation"])


def last_window(w: Warehouse, before: int) -> Window | None:
    """The latest finished turn's window that ended before an instant."""
    found = rows(w, "last_window", cutoff=before)
    return Window(whole(found[0]["start"]), whole(found[0]["cutoff"])) if found else None


def windows(w: Warehouse, since: int, before: int) -> tuple[Window, ...]:
    """The windows of finished turns whose cutoff is in ``[since, before)``, in order."""
    found = rows(w, "windows", since=since, cutoff=before)
    return tuple(Window(whole(row["start"]), whole(row["cutoff"])) for row in found)


def first_generation(w: Warehouse) -> int | None:
    """The cutoff at which the first generation was made; None before."""
    made = generations(w)
    return made[0].cutoff if made else None


def first_instant(w: Warehouse) -> int | None:
    """The instant of the first impression."""
    first = rows(w, "first_instant")[0]["first_at"]
    return None if first is None else whole(first)


def open_window(w: Warehouse, window: Window) -> None:
    """Enter a turn; a turn without an end is resumed, never repeated."""
    write(w, "open_window", start=window.start, cutoff=window.cutoff)


def finished_turn(w: Warehouse, cutoff: int) -> str | None:
    """The record (JSON) of the turn that ended at a cutoff; None while it is not finished."""
    found = rows(w, "turn", cutoff=cutoff)
    return str(found[0]["turn"]) if found and found[0]["finished"] else None


def finish_turn(
    w: Warehouse, cutoff: int, requests: int, impressions: int, record: str, aside: SetAside | None = None
) -> None:
    """The last write of a turn; with a window that it sets `aside`, both are written or neither."""
    with connect(w.path) as connection, transaction(connection):
        if aside is not None:
            query.execute(connection, "06_ledger/record_set_aside", source=w.source, **parameters(aside))
        counts = {"requests": requests, "impressions": impressions}
        query.execute(connection, "06_ledger/close_window", source=w.source, cutoff=cutoff, turn=record, **counts)


def turns(w: Warehouse) -> tuple[TurnKept, ...]:
    """Every finished turn with what its stages found, in order."""
    return records(w, "turns", TurnKept)


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
    found = rows(w, "drift_state", cutoff=before)
    return str(found[0]["state"]) if found else None


def record_drift(w: Warehouse, decided: DriftDecided) -> None:
    """Keep a drift decision."""
    write(w, "record_drift", **parameters(decided))


def generation(w: Warehouse, number: int) -> Generation:
    """A generation by its number; it must be there."""
    return Generation.model_validate(rows(w, "generation", generation=number)[0])


def generations(w: Warehouse) -> tuple[JudgedGeneration, ...]:
    """All generations in order, with their verdicts."""
    return records(w, "generations", JudgedGeneration)


def generation_number(w: Warehouse, cutoff: int) -> int:
    """The number of the generation made at a cutoff, or the next one: a resumed turn keeps its number."""
    made = rows(w, "generation_at", cutoff=cutoff) or rows(w, "next_generation")
    return whole(made[0]["generation"])


def record_generation(w: Warehouse, made: Generation) -> None:
    """Keep a generation; written once."""
    write(w, "record_generation", **parameters(made))


def record_judgement(w: Warehouse, judged: Judged) -> None:
    """Keep what the gate said."""
    write(w, "record_evaluation", **parameters(judged))


def released_in(w: Warehouse, cutoff: int) -> bool:
    """Whether the turn that ended at a cutoff has moved the champion pointer."""
    return bool(rows(w, "release_at", cutoff=cutoff))


def releases(w: Warehouse) -> tuple[ReleaseMade, ...]:
    """Every move of the champion pointer, in order."""
    return records(w, "releases", ReleaseMade)


def record_release(w: Warehouse, wanted: ReleaseWanted) -> None:
    """Append a move of the champion pointer."""
    write(w, "record_release", **parameters(wanted))


def canaries(w: Warehouse) -> tuple[CanaryMade, ...]:
    """Every canary, in the order they were sent out."""
    return records(w, "canaries", CanaryMade)


def canary_out(w: Warehouse) -> CanaryMade | None:
    """The canary that is out, or None."""
    return next((c for c in canaries(w) if c.verdict is None), None)


def canary_of_turn(w: Warehouse, cutoff: int) -> CanaryMade | None:
    """The canary that was out when the turn ending at a cutoff opened, be it that the turn has ended it since."""
    found = (c for c in canaries(w) if c.began_at < cutoff)
    return next((c for c in found if c.verdict is None or c.ended_at == cutoff), None)


def send_canary_out(w: Warehouse, wanted: CanaryWanted) -> None:
    """Let a generation serve some users first; written once."""
    write(w, "send_canary_out", **parameters(wanted))


def record_canary_look(w: Warehouse, generation: int, looked_at: int, look: str) -> None:
    """Keep the latest look at a canary."""
    write(w, "record_canary_look", generation=generation, looked_at=looked_at, look=look)


def end_canary(w: Warehouse, ended: CanaryEnded) -> None:
    """Keep what became of a canary; written once."""
    write(w, "end_canary", **parameters(ended))


def last_memory(w: Warehouse, of_generation: int, until: int) -> Memory | None:
    """The latest memory of a generation that knows nothing later than `until`."""
    found = records(w, "last_memory", Memory, generation=of_generation, cutoff=until)
    return found[0] if found else None


def memories_after(w: Warehouse, instant: int) -> tuple[Memory, ...]:
    """Memories as of a later instant, of generations that were made by then."""
    return records(w, "memories_after", Memory, instant=instant)


def champion_before(w: Warehouse, instant: int) -> int | None:
    """The generation that was released last, of those that know nothing later than an instant."""
    found = rows(w, "champion_before", instant=instant)
    return None if not found else whole(found[0]["generation"])


def record_memory(w: Warehouse, kept: Memory) -> None:
    """Keep where a memory lies."""
    write(w, "record_memory", **parameters(kept))


def memories(w: Warehouse) -> tuple[Memory, ...]:
    """Every memory that is kept, by generation and cutoff."""
    return records(w, "memories", Memory)


def record_trust(w: Warehouse, trusted: Trusted) -> None:
    """Keep what a memory trusts."""
    write(w, "record_trust", **parameters(trusted))


def superseded_memories(w: Warehouse, of_generation: int, window: Window) -> tuple[Memory, ...]:
    """Memories of a generation as of instants inside a window, all but the latest: one made at its cutoff is later."""
    ends = {"start": window.start, "cutoff": window.cutoff}
    return records(w, "superseded_memories", Memory, generation=of_generation, **ends)


def forget_memory(w: Warehouse, *memories: Memory) -> None:
    """Take memories off the ledger."""
    with connect(w.path) as connection, transaction(connection):
        for memory in memories:
            query.execute(connection, "06_ledger/forget_memory", generation=memory.generation, cutoff=memory.cutoff)


def standing(w: Warehouse, of_generation: int) -> str | None:
    """What a released generation stands on, as JSON; None for one that the gate did not release."""
    found = rows(w, "standing", generation=of_generation)
    return str(found[0]["standing"]) if found else None


def standings(w: Warehouse) -> dict[int, str]:
    """Generation -> what it stands on, as JSON, of every one that the gate released."""
    return {whole(row["generation"]): str(row["standing"]) for row in rows(w, "standings")}


def named_last(w: Warehouse) -> tuple[NamedLast, ...]:
    """Of every generation, when the ledger names it last."""
    return records(w, "named", NamedLast)


def record_standing(w: Warehouse, of_generation: int, told: str) -> None:
    """Keep what a released generation stands on."""
    write(w, "record_standing", generation=of_generation, standing=told)


def promises(w: Warehouse) -> dict[int, str]:
    """Generation -> what the gate promised of its release, and what it earned since, as JSON; in order."""
    return {whole(row["generation"]): str(row["promise"]) for row in rows(w, "promises")}


def record_promise(w: Warehouse, of_generation: int, told: str) -> None:
    """Keep a promise, or what became of it."""
    write(w, "record_promise", generation=of_generation, promise=told)


def batches_of_window(w: Warehouse, window: Window) -> tuple[BatchTaken, ...]:
    """The batches that hold rows of a window, in order of time."""
    return records(w, "batches_of_window", BatchTaken, start=window.start, cutoff=window.cutoff)


def counts(w: Warehouse) -> Counts:
    """Rows of the warehouse."""
    return records(w, "counts", Counts)[0]


def everything(w: Warehouse) -> Everything:
    """All that the report site is drawn of, of one instant: the warehouse is opened once."""
    with connect(w.path) as connection:

        def rows(name: str) -> list[dict[str, object]]:
            return query.rows(connection, f"06_ledger/{name}", source=w.source)

        told = {name: rows(name) for name in ("generations", "turns", "releases", "canaries", "trusts", "set_asides")}
        return Everything.model_validate(
            {**told, "promises": {r["generation"]: r["promise"] for r in rows("promises")}}
        )
