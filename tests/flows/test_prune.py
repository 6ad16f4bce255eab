"""Prune: what is needed stays whatever its age, what is not goes whole, and a kill in the middle costs nothing."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.domain import DAY, ContractBroken, Transient, iso
from components.evaluate.creep import Standing
from components.publish.canary import Canary
from components.publish.pointer import Pointer, Role, move_pointer
from components.publish.retention import Lineage, Named, RetentionSettings, kept_generations
from flows.prune import plan, prune, take_away
from flows.prune_plan import Holding, Keep, holdings, planned
from flows.replay.replay import replay
from flows.rollback import _check_kept
from flows.site.draw import draw_site
from flows.workspace import Workspace
from tests.conftest import TinySource
from warehouse import ledger
from warehouse.connect import Warehouse
from warehouse.records import CanaryWanted, Generation, Judged, Memory, ReleaseWanted

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FIRST = 15_000 * DAY
STRICT = RetentionSettings(days=0, generations=1, releases=1, turns=2, pages_days=0, logs_days=0, runs_days=0, runs=0)
LINE = Lineage(made=tuple(range(1, 41)), needed={40: "champion"}, parents={g: g - 1 for g in range(2, 41)})


def test_what_is_needed_stays_with_its_parent_and_anchor_whatever_its_age() -> None:
    needed = {40: "champion", 7: "canary", 12: "challenger"}
    kept = kept_generations(replace(LINE, needed=needed, anchors={40: 3}), 100 * DAY, STRICT)
    assert kept == {
        **{3: "anchor of generation 40", 6: "parent of generation 7", 7: "canary", 11: "parent of generation 12"},
        **{12: "challenger", 39: "parent of generation 40", 40: "champion"},
    }


def test_what_the_ledger_names_within_the_days_stays_to_the_microsecond() -> None:
    days = STRICT.model_copy(update={"days": 30.0})
    named = (Named(20, 70 * DAY, "judged"), Named(21, 70 * DAY - 1, "judged"))
    kept = kept_generations(replace(LINE, named=named, parents={}), 100 * DAY, days)
    assert kept == {20: "judged", 40: "champion"}


def test_the_latest_champions_stay_for_a_roll_back_and_the_newest_however_old_they_are() -> None:
    settings = STRICT.model_copy(update={"releases": 2, "generations": 3})
    kept = kept_generations(replace(LINE, released=(1, 8, 5), parents={}), 10_000 * DAY, settings)
    assert sorted(kept) == [5, 8, 38, 39, 40]


KEEP = Keep({3: "champion"}, (1 * DAY, 2 * DAY, 3 * DAY, 4 * DAY), now=1e9, latest_in_stores=frozenset({"g000001-aa"}))


@pytest.mark.parametrize(
    ("holding", "goes"),
    [
        (Holding("bundle", "bundles/g000003", 3), False),
        (Holding("bundle", "bundles/g000002", 2), True),
        (Holding("model", "bentoml/models/evercurrent_bundle/g000001-aa", 1), False),
        (Holding("model", "bentoml/models/evercurrent_bundle/g000002-bb", 2), True),
        (Holding("memory", "memories/g000003-1", 3, 1 * DAY), False),  # the newest of its generation
        (Holding("memory", "memories/g000002-1", 2, 4 * DAY), True),
        (Holding("turn", "turns/1", cutoff=1 * DAY), True),
        (Holding("turn", "turns/3", cutoff=3 * DAY), False),  # evidence for a turn that is resumed
        (Holding("turn", "turns/9", cutoff=9 * DAY), False),  # a turn that is not finished
        (Holding("replay", "replay/1/requests.parquet", cutoff=1 * DAY), True),
        (Holding("replay", "replay/4/requests.parquet", cutoff=4 * DAY), False),  # not ingested yet
        (Holding("pages", "reports/turns/1", cutoff=1 * DAY), True),
        (Holding("pages", "reports/turns/4", cutoff=4 * DAY), False),
        (Holding("log", "logs/server.log", written=1e9 - 10), True),
        (Holding("log", "logs/worker.log", written=1e9), False),
        (Holding("copy", "warehouse.0001.duckdb", written=1e9), False),
        (Holding("copy", "warehouse.0001.duckdb", written=1e9 - 10 * 86_400), True),
        (Holding("leftover", "bundles/.g000009.7.part"), True),
        (Holding("decisions", "decisions/archive/1970-01-02-7-1.parquet", cutoff=2 * DAY), True),
        (Holding("decisions", "decisions/archive/1970-01-03-7-1.parquet", cutoff=3 * DAY), False),
    ],
)
def test_what_goes(holding: Holding, goes: bool) -> None:
    assert bool(planned([holding], KEEP, STRICT.model_copy(update={"decisions_days": 1.0}))) is goes


def test_archives_of_the_decision_log_go_by_the_day_in_their_name_and_by_default_never(tmp_path: Path) -> None:
    folder = tmp_path / "decisions" / "archive"
    folder.mkdir(parents=True)
    for name in ("1970-01-02-7-1.parquet", "1970-01-04-7-1.parquet", "1970-02-31-7-1.parquet", "notes.txt"):
        (folder / name).write_text("x")
    (tmp_path / "decisions" / "1970-01-02-8-1.jsonl").write_text("{}")
    rest = ("archive/1970-01-01-7-1.parquet", "1970-01-01-7-1.jsonl")  # changes of the catalogue are left of it
    for name in rest:
        (tmp_path / "decisions" / name).write_text("x")
    there = list(holdings(Workspace(tmp_path)))
    assert [h.cutoff for h in there] == [2 * DAY, 4 * DAY]
    assert planned(there, KEEP, STRICT) == []
    gone = planned(there, KEEP, STRICT.model_copy(update={"decisions_days": 1.0}))
    assert [h.path for h, _ in gone] == ["decisions/archive/1970-01-02-7-1.parquet"]


def test_of_a_kept_generation_the_memory_that_the_next_turn_starts_from_stays_and_the_newest() -> None:
    there = [Holding("memory", f"memories/g000003-{d}", 3, d * DAY) for d in (1, 2, 3, 5, 6)]
    keep = replace(KEEP, turns=(3 * DAY,))
    settings = STRICT.model_copy(update={"days": 0.0})
    assert [h.path for h, _ in planned(there, keep, settings)] == ["memories/g000003-1", "memories/g000003-2"]


def test_what_names_something_goes_before_what_it_names() -> None:
    kinds = ("bundle", "checkpoint", "memory", "snapshot", "model", "bento")
    there = [Holding(kind, f"{kind}/g000002", 2, DAY) for kind in kinds]
    assert [h.kind for h, _ in planned(there, KEEP, STRICT)] == [*reversed(kinds)]


@pytest.fixture(scope="module")
def sixty_turns(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Path:
    """A home of sixty daily turns whose bundles are small; every third generation is held."""
    workspace = Workspace(tmp_path_factory.mktemp("sixty") / "home")
    workspace.root.mkdir()
    shutil.copy(tiny.description, workspace.source)
    w, champion = Warehouse(workspace.database, "tiny"), None
    for number in range(1, 61):
        champion = _turn(workspace, w, number, champion)
    move_pointer(workspace.root, Role.CHAMPION, Pointer.to(champion or 0))
    move_pointer(workspace.root, Role.CHALLENGER, Pointer.to(60))
    (workspace.root / "logs").mkdir()
    (workspace.root / "logs" / "worker.log").write_text("x")
    return workspace.root


@pytest.fixture
def world(sixty_turns: Path, tmp_path: Path) -> Workspace:
    """A copy of it."""
    shutil.copytree(sixty_turns, tmp_path / "home")
    return Workspace(tmp_path / "home")


def _turn(workspace: Workspace, w: Warehouse, number: int, champion: int | None) -> int:
    from components.domain import Window

    cutoff = FIRST + number * DAY
    ledger.open_window(w, Window(cutoff - DAY, cutoff))
    bundle = workspace.bundle(number)
    made = {"generation": number, "parent": champion, "start": cutoff - DAY, "cutoff": cutoff, "rows": 1}
    counts = {"grown": 0, "expired": 0, "bundle": f"bundles/{bundle.name}", "manifest_digest": "0"}
    ledger.record_generation(w, Generation(**made, **counts))
    verdict = "HOLD" if number % 3 == 0 else "PROMOTE"
    judged = {"cutoff": cutoff, "challenger": number, "champion": champion, "verdict": verdict}
    ledger.record_judgement(w, Judged(**judged, reasons=("because",), report="{}"))
    if verdict == "PROMOTE":
        kind = "FIRST" if champion is None else "PROMOTE"
        ledger.record_release(w, ReleaseWanted(generation=number, kind=kind, reason="good", cutoff=cutoff))
        ledger.record_standing(w, number, Standing.of(max(number - 6, 1)).to_json())
    after = number if verdict == "PROMOTE" else champion or number
    _files(workspace, number, cutoff, after)
    memory = f"memories/g{after:06d}-{cutoff}"
    ledger.record_memory(w, Memory(generation=after, cutoff=cutoff, folder=memory, digest="0"))
    ledger.finish_turn(w, cutoff, 10, 10, _record(number, cutoff, champion, after, verdict))
    return after


def _files(workspace: Workspace, number: int, cutoff: int, champion: int) -> None:
    name = f"g{number:06d}"
    for path in (
        workspace.bundle(number) / "manifest.json",
        workspace.checkpoint(number) / "model.safetensors",
        workspace.root / "bentoml" / "models" / "evercurrent_bundle" / f"{name}-aa" / "model.yaml",
        workspace.root / "bentoml" / "bentos" / "evercurrent" / f"{name}-aa" / "bento.yaml",
        workspace.root / "snapshots" / f"g{champion:06d}.json",
        workspace.memory(champion, cutoff) / "memory.safetensors",
        workspace.turn(cutoff) / "evaluation.json",
        workspace.pages(cutoff) / "evaluation.html",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" * 50)
    for store in ("models/evercurrent_bundle", "bentos/evercurrent"):
        (workspace.root / "bentoml" / store / "latest").write_text(f"{name}-aa")


def _record(number: int, cutoff: int, parent: int | None, champion: int, verdict: str) -> str:
    return json.dumps(
        {
            **{"cutoff": iso(cutoff), "generation": number, "parent": parent, "champion": champion, "requests": 10},
            **{"impressions": 10, "accepted": 10, "quarantined": 0, "drift_action": "UPDATE", "ids_grown": 0},
            **{"ids_expired": 0, "value": {}, "verdict": verdict, "reasons": ["because"], "digest": "0", "seconds": {}},
        }
    )


def present(workspace: Workspace) -> dict[str, bytes]:
    """Every file but the warehouse and what the site is drawn anew of."""
    root, apart = workspace.root, ("warehouse.duckdb", "index.html")
    files = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith(apart))
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def generations(workspace: Workspace, folder: str) -> list[int]:
    return sorted(int(p.name[1:7]) for p in (workspace.root / folder).glob("g*"))


def test_sixty_turns_keep_a_month_the_champions_and_everything_they_stand_on(world: Workspace) -> None:
    found = plan(world, NOW, dry_run=False)
    take_away(world, found.items)
    expected = [23, 25, 26, 28, *range(29, 61)]
    assert generations(world, "bundles") == sorted(found.kept) == expected
    assert (found.kept[23], found.kept[60]) == ("anchor of generation 29", "challenger")
    for folder in ("checkpoints", "bentoml/models/evercurrent_bundle", "bentoml/bentos/evercurrent"):
        assert generations(world, folder) == expected
    assert min(generations(world, "memories")) >= 23
    assert len(list((world.root / "turns").iterdir())) == 31
    assert len(list((world.reports / "turns").iterdir())) == 60
    assert len(ledger.generations(Warehouse(world.database, "tiny"))) == 60
    assert not (world.root / ".pruned").exists()
    assert plan(world, NOW, dry_run=False).items == ()


def test_the_canary_and_who_it_is_beside_stay_when_a_month_is_over(world: Workspace) -> None:
    w = Warehouse(world.database, "tiny")
    (world.settings).write_text("[retention]\ndays = 0\ngenerations = 1\nreleases = 1\n")
    wanted = CanaryWanted(generation=12, champion=11, began_at=FIRST + 12 * DAY, settings="{}")
    ledger.send_canary_out(w, wanted)
    move_pointer(world.root, Role.CANARY, Canary.beside(11, 12, 0.1))
    found = plan(world, NOW, dry_run=False)
    take_away(world, found.items)
    there = generations(world, "bundles")
    assert {11, 12, 59, 60} < set(there)
    assert len(there) < 12


def test_a_dry_run_says_what_would_go_with_sizes_and_touches_nothing(world: Workspace) -> None:
    before = present(world)
    found = plan(world, NOW, dry_run=True)
    assert present(world) == before
    assert found.dry_run and found.bytes == sum(
        len(before[p]) for p in before if any(_in(p, i.path) for i in found.items)
    )
    assert "would go" in found.said


def test_what_a_kept_generation_shares_with_one_that_goes_stays_readable_and_is_not_counted(world: Workspace) -> None:
    freed = plan(world, NOW, dry_run=True).bytes
    base = world.bundle(10) / "table.npy"
    base.write_bytes(b"x" * 1000)
    (world.checkpoint(10) / "table.npy").hardlink_to(base)
    assert plan(world, NOW, dry_run=True).bytes == freed + 1000
    (world.bundle(60) / "table.npy").hardlink_to(base)
    found = plan(world, NOW, dry_run=False)
    assert found.bytes == freed
    take_away(world, found.items)
    assert not base.exists() and (world.bundle(60) / "table.npy").read_bytes() == b"x" * 1000


def _in(path: str, item: str) -> bool:
    return path == item or path.startswith(f"{item}/")


@pytest.mark.parametrize("moves", [0, 45, 120])
def test_killed_in_the_middle_nothing_is_half_gone_and_the_next_run_goes_on(
    world: Workspace, monkeypatch: pytest.MonkeyPatch, moves: int, tmp_path: Path
) -> None:
    twin = Workspace(tmp_path / "twin")
    shutil.copytree(world.root, twin.root)
    take_away(twin, plan(twin, NOW, dry_run=False).items)
    whole, left = Path.replace, [moves]

    def killed(self: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        take_away(world, plan(world, NOW, dry_run=False).items)
    monkeypatch.undo()
    named = {m.folder for m in ledger.memories(Warehouse(world.database, "tiny"))}
    assert all((world.root / folder).is_dir() for folder in named)
    assert all((world.bundle(g) / "manifest.json").exists() for g in generations(world, "bundles"))
    take_away(world, plan(world, NOW, dry_run=False).items)
    assert present(world) == present(twin)


def test_a_disk_that_refuses_is_one_line_and_try_again(world: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(Transient, match="Read-only file system; rights there are needed, the next run goes on"):
        take_away(world, plan(world, NOW, dry_run=False).items)


def test_a_pruned_generation_stays_on_the_site_and_a_roll_back_to_it_says_so(world: Workspace) -> None:
    take_away(world, plan(world, NOW, dry_run=False).items)
    page = draw_site(world).read_text()
    row = page.split('id="g5"')[1].split("</tr>")[0]
    assert "bundle pruned" in row and "turns/" in row
    with pytest.raises(
        ContractBroken, match="the bundle of generation 5 was pruned, so it cannot answer; kept are g000023"
    ):
        _check_kept(world, 5)


def test_a_home_without_a_finished_turn_loses_nothing(tmp_path: Path, tiny: TinySource) -> None:
    workspace = Workspace(tmp_path)
    shutil.copy(tiny.description, workspace.source)
    (tmp_path / "bundles" / "g000001").mkdir(parents=True)
    assert plan(workspace, NOW, dry_run=False).items == ()


@pytest.mark.usefixtures("prefect_server")
def test_a_replayed_home_goes_on_after_it_was_pruned_and_says_the_same_of_the_past(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = "[update]\nmax_epochs = 1\n\n[evaluate]\nminimum_users = 20\nminimum_ess = 10\nmargin = 0.5\n"
    (home / "evercurrent.toml").write_text(settings)
    first = replay(str(home), str(tiny.description), 2, str(tiny.log))
    strict = "\n".join(f"{k} = {json.dumps(v)}" for k, v in STRICT.model_dump(exclude_none=True).items())
    (home / "evercurrent.toml").write_text(f"{settings}\n[retention]\n{strict}\n")
    found = prune(str(home))
    assert found.runs >= 3
    assert {"turn", "replay", "pages"} <= {item.kind for item in found.items}
    assert sorted(found.kept) == [1, 2, 3]
    again = replay(str(home), str(tiny.description), 3, str(tiny.log))
    assert [t.digest for t in again.turns[:2]] == [t.digest for t in first.turns]
    assert [t.value for t in again.turns[:2]] == [t.value for t in first.turns]
    assert again.turns[2].generation == 4
    assert "went" in prune(str(home)).said
