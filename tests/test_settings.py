"""Every setting changes something: each is varied alone, and what its part makes must differ."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from pytest import MonkeyPatch

import flows.engine
from components.domain import DAY, ContractBroken, Matured, Prediction, Window, instant_of
from components.drift.drift_action import DriftState, decide
from components.evaluate.anchor import Anchor, after_release
from components.evaluate.canary import last_look_at, past_window
from components.evaluate.canary import look as look_at_canary
from components.evaluate.creep import Released, Standing
from components.evaluate.evaluate import InLoop, evaluate
from components.evaluate.guardrails import Guardrails, Measured
from components.evaluate.holdout import NEVER, Holdout
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.propensity_audit import audit
from components.evaluate.sequential_test import SequentialTest
from components.frozen import Frozen
from components.memory.memory import ErrorMemory
from components.policy.plackett_luce import PlackettLuce
from components.ranker.features import Encoder
from components.ranker.model import Model
from components.settings import Settings
from components.update.checkpoint import Checkpoint
from components.update.train import pretrain
from components.update.warm_start import warm_start
from components.validate.contracts import Frames
from components.validate.validate import validate
from flows.engine import choices as engine_choices
from flows.engine.update import warm_started
from flows.stages.choices import Asked
from flows.stages.lake import take_lake
from flows.turn import Turn
from flows.workspace import Workspace
from tests.drift import worlds
from tests.evaluate.canary_traffic import traffic_of
from tests.evaluate.test_slate_values import drawn as drawn_slates
from tests.evaluate.tiny import many, replaced
from tests.flows.lakes import described, piece, write_piece
from tests.memory.world import HIDDEN, world
from tests.memory.world import SPEC as MEMORY_SPEC
from tests.ranker.windows import SPEC as RANKER_SPEC
from tests.ranker.windows import window


def trained(s: Settings) -> str:
    """Bits of a pre-trained and then warm-started model, with what was admitted, expired and processed."""
    if s.update.admission_count > 1 or s.update.ttl_days < 10:
        later = window(40, first_id=25)
    else:
        later = window(4, first_id=10)
    first = pretrain(RANKER_SPEC, window(0), s.ranker, s.update, 0)
    second = warm_start(first.checkpoint, later, window(1, rows=40), 41 * DAY, s.update, 0)
    said = [m.checkpoint.model.predict(later.examples).logit.tobytes() for m in (first, second)]
    counts = [
        (m.examples_processed, len(m.admitted), len(m.expired), m.grown, str(m.diverged)) for m in (first, second)
    ]
    return repr((said, counts))


def remembered(s: Settings) -> str:
    """What a primed memory says of rows it has not seen, after it learned others months before."""
    w = world(3200, users=30, items=20, days=200.0)
    memory = ErrorMemory.empty(MEMORY_SPEC, HIDDEN, s.memory, 0)
    memory.prime(Matured(w.examples.take(slice(0, 2200)), w.reward[:2200]))
    memory.learn(*w.rows(2200, 2900))
    if s.memory.rebase_keep != 0.5:
        memory.rebase(lambda e: Prediction(np.zeros(len(e), np.float32), np.zeros((len(e), HIDDEN), np.float32)))
    examples, prediction, _ = w.rows(2900, 3200)
    return memory.compensate(examples, prediction).tobytes().hex()


def priced(s: Settings) -> str:
    """What a primed memory of amounts expects of rewards it has not seen, months after."""
    w = world(900, users=30, items=20, days=200.0)
    memory = ErrorMemory.empty(MEMORY_SPEC, HIDDEN, s.memory, amounts=True)
    memory.prime(Matured(w.examples.take(slice(0, 800)), w.reward[:800], np.exp(w.truth[:800]).astype(np.float32)))
    said = memory.log_amount(w.examples.take(slice(800, 900)))
    assert said is not None
    return said.tobytes().hex()


STAGES = (
    *("ingest", "forget", "validate", "read", "drift", "memory", "canary", "update", "evaluate", "held-out"),
    *("publish", "close", "halt", "play"),
)
"""As their tasks are named."""


def limits(s: Settings) -> str:
    """Seconds that every stage may take."""
    return repr([s.timeouts.of(stage) for stage in STAGES])


def shared(s: Settings) -> str:
    """What a cluster is asked for by an update of a small model, if it is."""
    parent, asked = Checkpoint.fresh(Model.fresh(RANKER_SPEC, s.ranker, 0)), list[object]()
    cluster = SimpleNamespace(share=lambda folder, engine: asked.append(engine))
    with TemporaryDirectory() as folder, MonkeyPatch.context() as patched:
        patched.setattr(flows.engine, "ray_cluster", cluster, raising=False)
        turn = SimpleNamespace(settings=s, window=Window(0, DAY), seed=0, folder=Path(folder))
        with suppress(ContractBroken):  # nobody made a part
            warm_started(cast(Turn, turn), parent, window(0), None)
    return repr(asked)


def spread(s: Settings) -> str:
    """Where it is worked out what was chosen among a thousand entries."""
    asked, turn = SimpleNamespace(entries=1_000), SimpleNamespace(settings=s)
    cluster = SimpleNamespace(spread=lambda *told: None)
    with TemporaryDirectory() as folder, MonkeyPatch.context() as patched:
        turn.folder = Path(folder)
        patched.setattr(flows.engine, "ray_tasks", cluster, raising=False)
        for name, said in {"choices": "here", "ask": "asked", "put_together": "there"}.items():
            patched.setattr(engine_choices, name, lambda *told, said=said: said)
        return str(engine_choices.chosen(cast(Turn, turn), cast(Asked, asked), cast(Encoder, None), {}))


def from_lake(s: Settings) -> str:
    """How many files of a folder, or of a table that was overwritten, are taken in two looks; or why none are."""
    deltalake = pytest.importorskip("deltalake") if s.lake.path == "table" else None
    with TemporaryDirectory() as folder:
        home, lake = Workspace(Path(folder) / "home"), s.lake.model_dump(exclude_none=True)
        home.root.mkdir()
        home.settings.write_text("".join(["[lake]\n", *(f"{key} = {json.dumps(lake[key])}\n" for key in lake)]))
        write_piece(home.root / "folder", "one", piece(0))
        taken = []
        for number, mode in enumerate(("append", "overwrite", "append") if deltalake else ("none",)):
            if deltalake:
                deltalake.write_deltalake(home.root / "table", piece(number), mode=mode)
            if number != 1:  # nobody looked when it was overwritten
                with suppress(ContractBroken):
                    taken.append(len(take_lake(home, described(Path(folder))).batches))
    return repr(taken)


def waits(s: Settings) -> str:
    """Seconds that runs of both kinds wait for a home."""
    return repr([s.operations.patience(patient) for patient in (True, False)])


def drawn(s: Settings) -> str:
    made = PlackettLuce(s.policy).sample(np.array([1.0, 0.5, 0.2]), np.array([0, 3]), 2, np.random.default_rng(0))
    return repr(made.propensity.tolist())


def measured(s: Settings) -> str:
    current = worlds.traffic(90, seed=1, bias=-0.2, genres="abcdefghijklmnopq")
    report = worlds.measured(current, None, worlds.traffic(3000, seed=3), s.drift)
    return report.to_json() + str(len(report.html) > 0) + repr(decide(report, DriftState(), s.drift))


def checked(s: Settings) -> str:
    ids = [f"r{i}" for i in range(40)]
    at = np.arange(40) + 1_000
    requests = pd.DataFrame({"request_id": ids, "user_id": "u", "at": at, "generation": 1.0, "eligible": None})
    shown = {"impression_id": ids, "request_id": ids, "item_id": "i", "position": 0, "score": 0.0, "generation": 1.0}
    impressions = pd.DataFrame(shown | {"propensity": [2.0, 2.0, *[0.5] * 38]})
    outcomes = pd.DataFrame({"impression_id": ids, "kind": "rating", "reward": 1.0, "outcome_at": at + 5})
    requests["eligible"] = requests["eligible"].astype(object)
    return validate(Window(1_000, 2_000), Frames(requests, impressions, outcomes), ("rating",), s.contracts).to_json()


def judged(s: Settings) -> str:
    """A log that is sound but for a heavy weight, some drift in its propensities, and a little support missing."""
    log, target, q = many(400, seed=3)
    propensity = log.propensity.copy()
    propensity[5] = 0.01
    log = replaced(log, propensity=propensity * 0.95, at=np.arange(400) * DAY)
    champion = np.full(len(target), 0.25)
    line = SequentialTest(1, "update")
    first = evaluate(log, target, champion, q, s.evaluate, kind="update", loop=InLoop(line))
    second = evaluate(log, target, champion, q, s.evaluate, kind="update", loop=InLoop(first.sequential_test or line))
    return first.to_json() + second.to_json() + unsupported(s)


def slates(s: Settings) -> str:
    """A judgement of slates whose logger is known."""
    log, target, logging = drawn_slates("position", 1, requests=300)
    return evaluate(log, target, logging, None, s.evaluate).to_json()


def unsupported(s: Settings) -> str:
    """A logger that never showed an entry the target shows in a fortieth of the cases."""
    n, k = 300, 3
    rng = np.random.default_rng(0)
    logging = np.tile([0.5, 0.5, 0.0], n)
    shown, offsets = rng.integers(2, size=n), np.arange(n + 1) * k
    reward, zeros = (rng.random(n) < 0.5).astype(float), np.zeros(n)
    log = LoggedDecisions(
        np.arange(n), zeros, offsets, offsets[:-1] + shown, np.full(n, 0.5), reward, zeros, zeros, logging=logging
    )
    target = np.tile([0.5, 0.475, 0.025], n)
    return evaluate(log, target, logging, None, s.evaluate, kind="change").to_json()


def heavy(s: Settings) -> str:
    """A log whose weights have no variance."""
    n, rng = 4000, np.random.default_rng(0)
    zeros, offsets = np.zeros(n), np.arange(n + 1) * 2
    log = LoggedDecisions(
        np.arange(n), zeros, offsets, offsets[:-1], 1 / (1 + rng.pareto(1.05, n)), rng.integers(0, 2, n), zeros, zeros
    )
    even = np.full(2 * n, 0.5)
    return evaluate(log, even, even, None, s.evaluate, kind="change").to_json()


def stood(s: Settings) -> str:
    """What a release is judged with where others spent, and what the next one stands on."""
    log, target, q = many(400, seed=3)
    standing = Standing((Released(1, 0.0), Released(2, 0.03), Released(3, 0.01)))
    champion, line = np.full(len(target), 0.25), SequentialTest(3, "update")
    found = evaluate(
        log, target, champion, q, s.evaluate, loop=InLoop(line, anchor=Anchor(standing, np.roll(target, 1)))
    )
    assert found.creep is not None
    return found.to_json() + Standing.to_json(
        after_release(standing, 4, replace(found.creep, would_spend=0.04), s.evaluate)
    )


def railed(s: Settings) -> str:
    """A judgement with the guardrails that are set, each measured as the share of the first entry."""
    log, target, q = many(400, seed=3)
    first = np.arange(log.entries) % 4 == 0
    measured = tuple(Measured(g.name, first[log.action] * 1.0, first * 1.0, g.margin) for g in s.metrics.guardrails)
    line = SequentialTest(1, "update")
    rails = Guardrails(measured, {m.name: line for m in measured})
    return evaluate(
        log, target, np.full(len(target), 0.25), q, s.evaluate, metric=s.metrics.improve, loop=InLoop(guardrails=rails)
    ).to_json()


def audited(s: Settings) -> str:
    """The audit of a log that is sound."""
    log, _, _ = many(300, seed=4)
    return repr(audit(log, np.full(log.entries, 0.25), np.arange(log.entries) % 4, s.evaluate))


def waited(s: Settings) -> str:
    """When an impression may be learned whose slate has not settled."""
    two_days_ago, never = np.array([8 * DAY]), np.array([NEVER])
    holdout = Holdout([Window(9 * DAY, 10 * DAY)], 0.5, 0.0, s.evaluate.wait_days)
    return repr(holdout.learnable_at(np.array([True]), two_days_ago, two_days_ago, never))


def held(s: Settings) -> str:
    from components.evaluate.holdout import held_out

    return repr(held_out(np.arange(500).astype(str), 1, s.evaluate.holdout_share).tolist())


def capped(s: Settings) -> str:
    from components.evaluate.holdout import draw

    return repr(draw(np.arange(500).astype(str), s.evaluate.max_requests).kept.tolist())


def replayed_and_seeded(s: Settings) -> str:
    """What the stages of a turn make of the settings that no component reads: the draw of the past, and the seed."""
    from pathlib import Path

    from components.ingest.source import read_source
    from flows.stages.read import draw_of
    from flows.turn import Turn
    from flows.workspace import Workspace
    from tests.conftest import ROOT

    source = read_source(ROOT / "warehouse" / "sources" / "movietweetings.toml")
    turn = Turn(Workspace(Path("nowhere")), source, s, Window(0, DAY), 1)
    return repr((draw_of(turn, 0, 1000), turn.seed))


def played(s: Settings) -> str:
    from components.ingest.source import read_source
    from flows.replay.recorded import rules_of
    from tests.conftest import ROOT

    return repr(rules_of(read_source(ROOT / "warehouse" / "sources" / "movietweetings.toml"), s.world))


def replicated(s: Settings) -> str:
    """Which stream is the log of a home with these settings, and from when on its replicas need it."""
    from components.ingest.log_settings import LogSettings
    from flows.log_stream import service_variables, stream_of
    from flows.stages import trim
    from flows.workspace import Workspace
    from warehouse.connect import Warehouse

    ledger = {"canary_out": lambda _: None, "champion": lambda _: 1}
    made = SimpleNamespace(generations=lambda _: [SimpleNamespace(generation=1, cutoff=100 * DAY)], **ledger)
    with TemporaryDirectory() as folder, patch.object(trim, "ledger", made):
        home = Workspace(Path(folder))
        told = {name: getattr(s.log, name) for name in LogSettings.model_fields} | {"url": s.log.url.get_secret_value()}
        home.settings.write_text("[log]\n" + "".join(f"{name} = {value!r}\n" for name, value in told.items()))
        needed = trim._needed(home, Warehouse(home.database, "tiny"))
        return repr((stream_of(home), service_variables(home), needed))


def signed(s: Settings) -> str:
    """What lies beside the manifest of a bundle that a turn with these settings publishes."""
    from flows.stages.publish import _signed
    from flows.turn import Turn
    from flows.workspace import Workspace
    from tests.publish.test_signature import write_keys

    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "manifest.json").write_text("{}")
        write_keys(home, "key")
        _signed(cast(Turn, SimpleNamespace(settings=s, workspace=Workspace(home))), home)
        return repr(sorted(path.name for path in home.iterdir()))


def written_whole(s: Settings) -> str:
    """Which of twelve generations in a row have their table and vocabulary whole."""
    from components.ranker.layer_files import CHANGED
    from components.ranker.model import Model
    from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    made, whole = Checkpoint.fresh(Model.fresh(RANKER_SPEC, s.ranker, 0)), list[int]()
    with TemporaryDirectory() as home:
        for generation in range(1, 13):
            folder = Path(home) / str(generation)
            save_checkpoint(made, folder, s.publish.full_every)
            made = load_checkpoint(folder)
            if not (folder / CHANGED).exists():
                whole.append(generation)
    return repr(whole)


def pruned(s: Settings) -> str:
    """Which generations and what else of an old home is kept, as of an instant in its past and by the clock."""
    from uuid import UUID

    from components.publish.retention import Lineage, Named, kept_generations
    from flows import prune_runs
    from flows.prune_plan import Holding, Keep, planned

    named = tuple(Named(g, g * DAY, "judged") for g in range(1, 61))
    lineage = Lineage(tuple(range(1, 61)), {60: "champion"}, named, released=tuple(range(1, 20)))
    kept = kept_generations(lineage, 60 * DAY, s.retention)
    keep = Keep(kept, tuple(d * DAY for d in range(1, 501)), now=60 * 86_400.0)
    kinds = ("turn", "pages", "decisions")
    old = [Holding(kind, f"{kind}/{d}", cutoff=d * DAY) for kind in kinds for d in range(1, 501)]
    logs = [Holding("log", f"logs/{d}", written=d * 86_400.0) for d in range(1, 61)]
    ended = datetime(2030, 1, 1, tzinfo=UTC)
    runs = [SimpleNamespace(id=UUID(int=d), end_time=ended - timedelta(days=d)) for d in range(1, 400)]
    with MonkeyPatch.context() as patched:
        patched.setattr(prune_runs, "_client", nullcontext)
        patched.setattr(prune_runs, "_finished", lambda _, skip: iter(runs[skip:]))
        gone = prune_runs.old_runs(ended, s.retention)
    return repr((kept, [h.path for h, _ in planned([*old, *logs], keep, s.retention)], gone))


def old_days_out(s: Settings) -> str:
    """Facts of twelve days after a turn over all but the last two: which go, and where to."""
    from flows.prune_facts import find_old_facts, take_facts
    from flows.workspace import Workspace
    from tests.warehouse.test_old_facts import FIRST, SHOP_SOURCE, shop
    from warehouse import ledger
    from warehouse.append import append_log
    from warehouse.connect import Warehouse
    from warehouse.records import Generation

    with TemporaryDirectory() as folder:
        home = Workspace(Path(folder))
        home.source.write_text(SHOP_SOURCE)
        w, latest = Warehouse(home.database, "shop"), FIRST + 12 * DAY
        append_log(w, shop(days=12), {}, digest="all", path="all")
        made = {"start": FIRST + 10 * DAY, "cutoff": latest, "rows": 1, "grown": 0, "expired": 0}
        kept = Generation(**made, generation=1, parent=None, bundle="", manifest_digest="")
        ledger.record_generation(w, kept)
        found = find_old_facts(home, w, s, latest, {1: "champion"})
        take_facts(home, found, s.retention)
        files = sorted(p.name for p in home.root.glob("facts/day=*"))
        return repr(([day.day for day in found.going], found.why, files))


def archived(s: Settings) -> str:
    """Which of sixty days' files of a decision log become archives, all of them in the warehouse."""
    from flows.archive import archivable
    from flows.workspace import Workspace
    from warehouse.connect import Warehouse
    from warehouse.segments import SegmentTaken

    with TemporaryDirectory() as folder, MonkeyPatch.context() as patched:
        home, taken = Workspace(Path(folder)), {}
        home.decisions.mkdir()
        for day in range(60):
            name = f"{date(2030, 1, 1) + timedelta(days=day)}-7-1.jsonl"
            (home.decisions / name).write_bytes(b"{}\n")
            last = instant_of(datetime(2030, 1, 1, 12, tzinfo=UTC) + timedelta(days=day))
            taken[name] = SegmentTaken(file=name, bytes=3, lines=1, crc=0, edge=0, written_ns=0, last_at=last)
        patched.setattr("flows.archive.segments.segments", lambda _: taken)
        latest = instant_of(datetime(2030, 3, 1, tzinfo=UTC))
        return repr([i.path for i in archivable(home, Warehouse(home.database, "s"), latest, s.retention)])


def sent_out(s: Settings) -> str:
    """Looks at a canary before and at its end: by the share, of a large and of a small traffic."""
    canary = s.release.canary
    traffics = [traffic_of(n, share=0.1, seed=1) for n in (900, 20_000)]
    looks = [look_at_canary(t, canary, last=last).to_json() for t in traffics for last in (False, True)]
    return repr((looks, last_look_at(0, canary), past_window(5 * DAY, canary)))


def notified(s: Settings) -> str:
    """What a receiver gets that is slow and answers 500 first, what waits after it, and whether http may leave."""
    from components.control_room.note import Note, NoteKind
    from flows.notify.outbox import Outbox
    from flows.notify.post import post
    from tests.control_room.receiver import receiver

    now = datetime(2026, 3, 4, tzinfo=UTC)
    kinds = (NoteKind.HOLD, NoteKind.HALT)
    notes = [Note(id=kind, kind=kind, home="/h", reasons=("why",), at="2026-03-04T00:00:00Z") for kind in kinds]
    with TemporaryDirectory() as folder, receiver(500, seconds=0.2) as told:
        urls = tuple(f"{told.url}/{number}" for number in range(len(s.notify.urls)))
        here, outbox = s.notify.model_copy(update={"urls": urls}), Outbox.of(Path(folder))
        for url in urls:
            outbox.put(notes[0].model_copy(update={"id": "old"}), url, instant_of(now - timedelta(days=20)))
        post(Path(folder), here, notes, now)
        sent = [h.get("Authorization", h.get("X-Token", "")) + str("X-Token" in h) for h in told.headers[-1:]]
        came = sorted(f"{taken['id']} {taken['kind']}" for taken in told.taken)
        waits = sorted(letter.note.id for _, letter in outbox.waiting())
    return repr((came, waits, sent, sorted(set(told.asked)), _lets_http_leave(s)))


def _lets_http_leave(s: Settings) -> bool:
    try:
        type(s.notify).model_validate(s.notify.model_dump() | {"urls": ["http://hooks.example.org"]})
    except ValidationError:
        return False
    return True


def asked_and_linked(s: Settings) -> str:
    """Where an artifact leads to, and how long a run waits for a person."""
    from flows.control_room import approval
    from flows.control_room.links import place
    from flows.workspace import Workspace

    turn = cast(Any, SimpleNamespace(settings=s, workspace=Workspace(Path("/home")), window=Window(0, DAY)))
    waited: list[int] = []

    def pause(*, timeout: int, **rest: object) -> "approval.Approval":
        waited.append(timeout)
        return approval.Approval(approve=True)

    with (
        patch.object(approval, "pause_flow_run", pause),
        patch.object(approval, "run_around", lambda: SimpleNamespace(id=None)),
    ):
        approval._ask.fn("", s.control_room.approve_seconds)
    return repr((place(turn, Path("/home/reports/turns/1/drift.html")), waited))


@dataclass(frozen=True)
class Case:
    """A value that is not the default, and what else must be set for it to matter."""

    value: Any
    makes: Callable[[Settings], str]
    beside: dict[str, Any] | None = None


def views(*names: str, **more: Any) -> dict[str, Any]:
    return {"memory.views": names, "memory.choose": False} | {f"memory.{name}": value for name, value in more.items()}


ALL = views("outcome", "residual")
SKETCH, COUNTERS, NEIGHBOURS = views("sketch"), views("counters"), views("neighbours")
QUICK = {"update.max_epochs": 2}
HALVED = {"drift.min_rows": 10}
ON_RAY: dict[str, Any] = {"engine.name": "ray", "engine.shard_examples": 1}
SOMEBODY = {"notify.urls": ("http://127.0.0.1/a",)}
ENTITY = {"interaction": ("user",), "prior_sd": 0.4, "half_life": 9.0}

CASES: dict[str, Case] = {
    "seed": Case(1, replayed_and_seeded),
    "contracts.max_set_aside": Case(0.01, checked),
    "contracts.examples": Case(1, checked),
    "drift.sample": Case(40, measured),
    "drift.top": Case(2, measured),
    "drift.threshold": Case(0.4, measured),
    "drift.noise": Case(0.2, measured),
    "drift.min_rows": Case(100, measured),
    "drift.page": Case(True, measured),
    "drift.rules": Case([{"action": "UPDATE", "figure": "matured", "enter": 1, "leave": 1}], measured),
    "ranker.architecture": Case("fm", trained),
    "ranker.embedding_size": Case(8, trained),
    "ranker.hidden_sizes": Case((8,), trained),
    "ranker.cross_layers": Case(1, trained, {"ranker.architecture": "dcnv2"}),
    "ranker.dropout": Case(0.5, trained),
    "ranker.table": Case("hashed", trained, {"ranker.buckets": 64}),
    "ranker.buckets": Case(32, trained, {"ranker.table": "hashed"}),
    "ranker.init_scale": Case(0.1, trained),
    "update.batch_size": Case(32, trained),
    "update.epochs": Case(2, trained),
    "update.max_epochs": Case(1, trained),
    "update.patience": Case(1, trained, {"update.max_epochs": 12}),
    "update.renew_table": Case(False, trained),
    "update.table_rate": Case(0.1, trained),
    "update.table_start": Case(0.5, trained),
    "update.table_keep": Case(0.9, trained),
    "update.dense_rate": Case(0.01, trained),
    "update.table_decay": Case(0.3, trained),
    "update.replay_share": Case(0.5, replayed_and_seeded),
    "update.replay_half_life_days": Case(7.0, replayed_and_seeded),
    "update.replay_rows": Case(11, replayed_and_seeded),
    "update.holdout_share": Case(0.3, trained),
    "update.guard_tolerance": Case(50.0, trained, {"update.dense_rate": 5.0}),
    "update.admission_count": Case(30, trained),
    "update.ttl_days": Case(3.0, trained, {"update.floor_rows": 0}),
    "update.floor_rows": Case(0, trained, {"update.ttl_days": 3.0}),
    "update.reloop_alpha": Case(0.5, trained),
    "memory.views": Case(("counters",), remembered, {"memory.choose": False}),
    "memory.entities": Case((ENTITY,), remembered),
    "memory.choose": Case(False, remembered),
    "memory.interactions": Case((("user", "tab"),), remembered, ALL),
    "memory.user_prior_sd": Case(0.2, remembered, ALL),
    "memory.item_prior_sd": Case(0.1, remembered, ALL),
    "memory.attribute_prior_sd": Case(0.9, remembered, ALL),
    "memory.faint_prior_sd": Case(0.9, remembered, ALL),
    "memory.interaction_prior_sd": Case(1.9, remembered, ALL),
    "memory.half_life": Case(3.0, remembered, ALL),
    "memory.residual_prior_scale": Case(2.0, remembered, ALL),
    "memory.residual_half_life": Case(2.0, remembered, ALL),
    "memory.rebase_keep": Case(0.1, remembered, ALL),
    "memory.amount_prior_sd": Case(0.1, priced),
    "memory.amount_half_life": Case(5.0, priced),
    "memory.counter_half_life": Case(2.0, remembered, COUNTERS),
    "memory.counter_shrinkage": Case(9.0, remembered, COUNTERS),
    "memory.sketch_arrays": Case(8, remembered, SKETCH),
    "memory.sketch_bits": Case(3, remembered, SKETCH),
    "memory.sketch_half_life": Case(2.0, remembered, SKETCH),
    "memory.sketch_shrinkage": Case(9.0, remembered, SKETCH),
    "memory.sketch_groups": Case(8, remembered, SKETCH),
    "memory.neighbours": Case(5, remembered, NEIGHBOURS),
    "memory.neighbours_exact": Case(True, remembered, NEIGHBOURS),
    "memory.neighbours_probes": Case(1, remembered, NEIGHBOURS),
    "memory.neighbours_kept": Case(100, remembered, NEIGHBOURS),
    "memory.neighbours_ttl": Case(5.0, remembered, NEIGHBOURS),
    "memory.neighbours_temperature": Case(1.0, remembered, NEIGHBOURS),
    "memory.trust_precision": Case(500.0, remembered, ALL),
    "memory.trust_discount": Case(0.1, remembered, ALL),
    "memory.batch": Case(50, remembered, ALL),
    "policy.temperature": Case(2.0, drawn),
    "policy.epsilon": Case(0.9, drawn),
    "evaluate.margin": Case(0.2, judged),
    "evaluate.alpha": Case(0.2, judged),
    "evaluate.sequence": Case("exact", judged),
    "evaluate.slate_model": Case("independent", slates),
    "evaluate.first_look_share": Case(0.3, judged),
    "evaluate.power": Case(0.95, judged),
    "evaluate.holdout_share": Case(0.7, held),
    "evaluate.max_requests": Case(100, capped),
    "evaluate.wait_days": Case(0.5, waited),
    "evaluate.minimum_users": Case(1000, judged),
    "evaluate.minimum_ess": Case(399.0, judged),
    "evaluate.largest_weight_share": Case(0.01, judged),
    "evaluate.mean_weight_z": Case(0.1, judged),
    "evaluate.mean_weight_tolerance": Case(0.5, judged, {"evaluate.mean_weight_z": 0.1}),
    "evaluate.audit_alpha": Case(0.4, audited),
    "evaluate.pareto_k": Case(9.0, heavy),
    "evaluate.unsupported_mass": Case(0.001, judged),
    "evaluate.bootstrap_resamples": Case(0, judged),
    "evaluate.decay_half_life": Case(30.0, judged),
    "evaluate.creep_budget": Case(0.02, stood),
    "evaluate.anchor_releases": Case(1, stood),
    "metrics.improve": Case("purchase", railed),
    "metrics.guardrails": Case([{"name": "new", "measures": "new_items", "margin": 0.2}], railed),
    "publish.signing_key": Case("key.pem", signed),
    "publish.full_every": Case(1, written_whole),
    "release.canary.share": Case(0.3, sent_out),
    "release.canary.margin": Case(0.1, sent_out),
    "release.canary.error": Case(0.2, sent_out),
    "release.canary.last_look_share": Case(0.2, sent_out),
    "release.canary.harm_error": Case(0.3, sent_out),
    "release.canary.days": Case(7.0, sent_out),
    "release.canary.minimum_users": Case(50, sent_out),
    "release.canary.past_days": Case(2.0, sent_out),
    "control_room.reports_url": Case("https://reports.example.org", asked_and_linked),
    "control_room.approve_seconds": Case(7.0, asked_and_linked),
    "notify.urls": Case(("http://127.0.0.1/a", "http://127.0.0.1/b"), notified),
    "notify.plain_http": Case(True, notified),
    "notify.kinds": Case(("halt",), notified, SOMEBODY),
    "notify.timeout_seconds": Case(0.05, notified, SOMEBODY),
    "notify.attempts": Case(1, notified, SOMEBODY),
    "notify.budget_seconds": Case(0.05, notified, SOMEBODY),
    "notify.header": Case("X-Token", notified, SOMEBODY | {"notify.header_from": "environment:HOME"}),
    "notify.header_from": Case("environment:HOME", notified, SOMEBODY),
    "notify.keep_days": Case(7.0, notified, SOMEBODY),
    "retention.days": Case(10.0, pruned),
    "retention.generations": Case(40, pruned),
    "retention.releases": Case(10, pruned),
    "retention.turns": Case(40, pruned),
    "retention.pages_days": Case(30.0, pruned),
    "retention.logs_days": Case(5.0, pruned),
    "retention.runs_days": Case(300.0, pruned),
    "retention.runs": Case(300, pruned),
    "retention.facts_days": Case(5.0, old_days_out),
    "retention.old_facts": Case("delete", old_days_out, {"retention.facts_days": 5.0}),
    "retention.segments_days": Case(10.0, archived),
    "retention.decisions_days": Case(5.0, pruned),
    "log.url": Case("redis://broker/1", replicated),
    "log.stream": Case("other", replicated, {"log.url": "redis://broker/1"}),
    "log.when_away": Case("spool", replicated, {"log.url": "redis://broker/1"}),
    "log.keep_days": Case(3.0, replicated),
    "world.lag": Case(60.0, played),
    "operations.wait_seconds": Case(5.0, waits),
    "operations.try_seconds": Case(5.0, waits),
    "lake.path": Case("folder", from_lake),
    "lake.after_version": Case(1, from_lake, {"lake.path": "table"}),
    "engine.name": Case("ray", shared, {"engine.shard_examples": 1}),
    "engine.address": Case("auto", shared, ON_RAY),
    "engine.workers": Case(3, shared, ON_RAY),
    "engine.shard_rows": Case(1, shared, {"engine.name": "ray"}),
    "engine.shard_examples": Case(1, shared, {"engine.name": "ray"}),
    "engine.shard_entries": Case(1, spread, {"engine.name": "ray"}),
    "engine.patience_seconds": Case(5.0, shared, ON_RAY),
    "engine.tries": Case(1, shared, ON_RAY),
    "timeouts.ingest": Case(5.0, limits),
    "timeouts.forget": Case(5.0, limits),
    "timeouts.contracts": Case(5.0, limits),
    "timeouts.read": Case(5.0, limits),
    "timeouts.drift": Case(5.0, limits),
    "timeouts.memory": Case(5.0, limits),
    "timeouts.canary": Case(5.0, limits),
    "timeouts.update": Case(5.0, limits),
    "timeouts.evaluate": Case(5.0, limits),
    "timeouts.held_out": Case(5.0, limits),
    "timeouts.publish": Case(5.0, limits),
    "timeouts.close": Case(5.0, limits),
    "timeouts.halt": Case(5.0, limits),
    "timeouts.play": Case(5.0, limits),
}


def leaves(kind: type[Frozen], above: str = "") -> Iterator[str]:
    """Dotted names of all settings."""
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Frozen):
            yield from leaves(field.annotation, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def settings(changes: dict[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for name, value in changes.items():
        *rooms, leaf = name.split(".")
        reduce(lambda room, step: room.setdefault(step, {}), rooms, tree)[leaf] = value
    return Settings.model_validate(tree)


def test_every_setting_has_a_case() -> None:
    assert set(CASES) == set(leaves(Settings))


MADE: dict[str, str] = {}


def made(case: Case, changes: dict[str, Any]) -> str:
    key = f"{case.makes.__name__} {sorted(changes.items(), key=str)}"
    if key not in MADE:
        try:
            MADE[key] = case.makes(settings(changes))
        except ContractBroken as broken:
            MADE[key] = str(broken)
    return MADE[key]


@pytest.mark.parametrize("name", CASES)
def test_a_setting_changes_what_its_part_makes(name: str) -> None:
    case = CASES[name]
    beside = (case.beside or {}) | (QUICK if case.makes is trained else {}) | (HALVED if case.makes is measured else {})
    beside = {other: value for other, value in beside.items() if other != name} | (case.beside or {})
    assert made(case, beside) == made(case, dict(beside)), "the same settings make the same"
    assert made(case, beside) != made(case, beside | {name: case.value})
