"""The loop as a whole: generations, resumption, rollback and re-promotion, on a tiny log through Prefect."""

import dataclasses
import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
from prefect.client.orchestration import get_client

from components.domain import ContractBroken, Matured, Verdict
from components.engine import EngineSettings
from components.evaluate.creep import Standing
from components.evaluate.evaluation import Evaluation
from components.evaluate.read_evaluation import read_evaluation
from components.publish.manifest import read_manifest
from components.publish.pointer import Role, read_pointer, read_releases
from components.publish.read_bundle import load_bundle
from components.ranker.features import hash_ids
from components.ranker.forward import Forward
from components.ranker.layer_files import BASE_FILES
from components.update.checkpoint import Checkpoint
from components.update.train import Update
from flows.cli.status import read_status
from flows.engine import update as engine
from flows.engine.side_by_side import side_by_side
from flows.replay.job import Job
from flows.replay.replay import replay, turn_links
from flows.replay.replay_record import ReplayRecord
from flows.rollback import rollback
from flows.stages import evaluate as judging
from flows.workspace import Workspace
from tests.conftest import TinySource
from warehouse import ledger
from warehouse.connect import Warehouse, connect

pytestmark = pytest.mark.usefixtures("prefect_server")

SETTINGS = """
[update]
max_epochs = 2

[evaluate]
minimum_users = 20
minimum_ess = 10
margin = 0.5
"""


def run(home: Path, tiny: TinySource, turns: int, settings: str = SETTINGS) -> ReplayRecord:
    home.mkdir(exist_ok=True)
    (home / "evercurrent.toml").write_text(settings)
    record: ReplayRecord = replay(str(home), str(tiny.description), turns, str(tiny.log))
    return record


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop") / "home"


@pytest.fixture(scope="module")
def record(home: Path, tiny: TinySource, prefect_server: None) -> ReplayRecord:
    return run(home, tiny, 2)


def test_two_turns_make_three_generations_and_every_figure_is_there(record: ReplayRecord, home: Path) -> None:
    assert [t.generation for t in record.turns] == [2, 3]
    for turn in record.turns:
        assert turn.requests > 0
        assert turn.impressions == turn.accepted + turn.quarantined
        assert None not in turn.auc.model_dump().values()
        assert turn.verdict in ("PROMOTE", "HOLD")
        assert turn.reasons
    status = read_status(Workspace(home))
    assert [g.generation for g in status.generations] == [1, 2, 3]


def test_one_of_several_on_a_cluster_comes_to_the_same_and_the_ui_shows_each_by_its_name(
    record: ReplayRecord, tmp_path: Path, tiny: TinySource, prefect_server: None
) -> None:
    """Without Ray installed here, which takes the same way."""
    cluster = EngineSettings(name="ray", workers=1, patience_seconds=200.0)
    engine = cluster if find_spec("ray") else EngineSettings()
    sound = Job(name="sound", home=tmp_path / "sound", source=str(tiny.description), data=tiny.log, turns=2)
    sound.home.mkdir()
    sound.workspace.settings.write_text(SETTINGS)
    refused = sound.model_copy(update={"name": "refused", "home": tmp_path / "refused", "source": "no"})
    with get_client(sync_client=True) as client:
        ended = side_by_side(tmp_path, [refused, sound], engine, str(client.api_url), 1, lambda _: None)
        runs = {run.name: run for run in client.read_task_runs()}
    assert [(one.name, one.code) for one in ended] == [("refused", 3), ("sound", 0)], ended
    assert ended[0].line.startswith("unknown source 'no'; ")
    assert json.loads(sound.workspace.replay_record.read_bytes())["digest"] == record.digest
    assert ended[1].seconds > 0 and (sound.home / "reports" / "replay.html").exists()
    assert {path.name for path in sound.home.iterdir()} >= {"bentoml", "bundles"}, (
        "its libraries keep nothing elsewhere"
    )
    if engine is cluster:
        assert [runs[name].state_name for name in ("refused", "sound")] == ["Failed", "Completed"]
        assert runs["refused"].run_count == 1, "what was refused would be refused again"


def test_a_generation_names_every_id_it_gave_a_row_to(record: ReplayRecord, home: Path, tiny: TinySource) -> None:
    changes = [pd.read_parquet(home / "bundles" / f"g{g:06d}" / "id_changes.parquet") for g in (1, 2, 3)]
    served = cast(Forward, load_bundle(home / "bundles" / "g000003").model)
    everything = pd.concat(changes)
    assert set(everything["key"]) == set(served.vocabulary.by_row.keys) - {0}
    assert everything["id"].notna().all()
    first = changes[0]
    assert set(first.loc[first["field"] == "item", "id"]) <= set(tiny.frame["what"].astype(str))
    assert set(first.loc[first["field"] == "genre", "id"]) <= {f"g{n}" for n in range(7)}
    manifest = read_manifest(home / "bundles" / "g000001")
    counts = first.groupby("field").size()
    assert {c.field: c.admitted for c in manifest.ids} == counts.to_dict()


def test_what_generations_have_in_common_and_their_pages_lie_on_the_disk_once(record: ReplayRecord, home: Path) -> None:
    bundles, checkpoints = home / "bundles", home / "checkpoints"
    for name in BASE_FILES:
        first = bundles / "g000001" / "model" / name
        assert first.samefile(checkpoints / "g000001" / name)
    for part in (bundles / "g000002" / "model").iterdir():
        assert part.samefile(checkpoints / "g000002" / part.name)
    pages = [page for page in (bundles / "g000002" / "reports").iterdir() if page.suffix == ".html"]
    manifest = (bundles / "g000002" / "manifest.json").read_bytes()
    stores = (Path(os.environ["BENTOML_HOME"]) / "models").glob(
        "*/g000002-*/bundle"
    )  # BentoML has one home per process
    (store,) = [store for store in stores if (store / "manifest.json").read_bytes() == manifest]
    cutoff = read_manifest(bundles / "g000002").cutoff
    assert len(pages) == 3
    for page in pages:
        redrawn = page.name == "evaluation.html"  # by the replay, which knows the truth; the bundle keeps what it had
        assert page.samefile(home / "reports" / "turns" / str(cutoff) / page.name) != redrawn
        assert page.samefile(store / "reports" / page.name)


def test_what_the_gate_promised_stands_beside_what_each_release_earned_on_its_own_requests(
    record: ReplayRecord, home: Path
) -> None:
    assert record.turns[0].verdict == "PROMOTE"
    kept = {p.generation: p for p in record.promises}
    assert set(kept) == {t.generation for t in record.turns if t.verdict == "PROMOTE"}
    for turn in record.turns:
        assert kept[turn.generation].promised.value == turn.value.estimate
    with connect(home / "warehouse.duckdb") as connection:
        earned, requests, users = connection.execute(
            "select sum(coalesce(o.reward, 0)) / count(distinct i.request_id), count(distinct i.request_id), "
            "count(distinct q.user_id) from impressions i join requests q using (request_id, source) "
            "left join outcomes o using (impression_id, source) where i.generation = 2"
        ).fetchall()[0]
    found = kept[2].earned
    assert found is not None and found.value == pytest.approx(earned)
    assert (kept[2].requests, kept[2].users) == (requests, users)
    assert kept[2].as_of == record.turns[-1].instant and kept[3].earned is None
    page = (Workspace(home).pages(record.turns[-1].instant) / "evaluation.html").read_text()
    assert "Promise and outcome" in page


def test_no_page_has_a_dead_link_in_the_site_or_in_the_bundle(record: ReplayRecord, home: Path) -> None:
    pages = [p for p in home.rglob("*.html") if {"reports", "bundles"} & set(p.parts)]
    links = [(page, href) for page in pages for href in re.findall(r'<a href="([^"]+)"', page.read_text())]
    assert home / "reports" / "index.html" in pages
    whole = [(page, page.parent / href.partition("#")[0]) for page, href in links if not href.startswith("#")]
    assert [target for _, target in whole if not target.exists()] == []
    anchors = [(page, href[1:]) for page, href in links if href.startswith("#")]
    assert [name for page, name in anchors if f'id="{name}"' not in page.read_text()] == []
    assert {"g1", "g2", "g3"} < {name for _, name in anchors}
    turns = turn_links(Workspace(home), record)
    assert all((home / "reports" / link.href).resolve().exists() for links in turns.values() for link in links)
    assert [link.text for link in turns[record.turns[0].cutoff]][:2] == ["Validation", "Drift"]


def test_every_release_stands_on_the_losses_that_were_left_possible_since_its_anchor(
    record: ReplayRecord, home: Path
) -> None:
    ledger_of = Warehouse(home / "warehouse.duckdb", read_status(Workspace(home)).source)
    first = ledger.standing(ledger_of, 1)
    assert first is not None and Standing.from_json(first) == Standing.of(1)
    champion = 1
    for turn in record.turns:
        told = ledger.standing(ledger_of, turn.generation)
        assert (told is not None) == (turn.verdict == "PROMOTE")
        folder, page = Workspace(home).turn(turn.instant), Workspace(home).pages(turn.instant) / "evaluation.html"
        creep = read_evaluation((folder / "evaluation.json").read_text()).creep
        assert creep is not None and creep.would_spend is not None and "Creep" in page.read_text()
        if told is not None:
            standing = Standing.from_json(told)
            assert standing.champion == turn.generation
            assert standing.spent == max(creep.would_spend, 0) or standing.anchor == turn.generation
            champion = turn.generation
    assert champion > 1, "without a release this shows nothing"


def test_only_shown_items_entered_the_warehouse(record: ReplayRecord, home: Path) -> None:
    with connect(home / "warehouse.duckdb") as connection:
        eligible, shown = connection.execute(
            "select sum(len(eligible)), count(*) from requests join impressions using (request_id) "
            "where requests.eligible is not null"
        ).fetchone() or (0, 0)
    assert shown < eligible


def test_the_estimate_is_made_on_requests_whose_outcomes_the_challenger_never_learned(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[set[tuple[int, int]]] = []
    whole = engine.warm_start

    def spy(parent: Checkpoint, fresh: Matured, *rest: object) -> Update:
        learned.append(set(zip(fresh.examples.keys[:, 0].tolist(), fresh.examples.at.tolist(), strict=True)))
        return whole(parent, fresh, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "warm_start", spy)
    run(tmp_path / "home", tiny, 1)
    judged = pd.read_parquet(next((tmp_path / "home" / "turns").glob("*/target.parquet")))["request_id"].unique()
    with connect(tmp_path / "home" / "warehouse.duckdb") as connection:
        asked = connection.execute(
            "select user_id, epoch_us(requested_at) from requests where list_contains($judged, request_id)",
            {"judged": judged.tolist()},
        ).fetchall()
    keys = hash_ids("user", [user for user, _ in asked]).tolist()
    before_the_verdict, after_it = learned
    assert len(asked) == len(judged) > 20
    assert not before_the_verdict & set(zip(keys, (at for _, at in asked), strict=True))
    assert set(zip(keys, (at for _, at in asked), strict=True)) <= after_it


def test_running_again_repeats_nothing_and_gives_the_same_digest(
    record: ReplayRecord, home: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*inputs: object) -> None:
        raise AssertionError("a finished turn was repeated")

    monkeypatch.setattr(engine, "warm_start", never)
    assert run(home, tiny, 2).digest == record.digest


def test_a_turn_broken_in_the_middle_is_resumed_and_ends_the_same(
    record: ReplayRecord, tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.stages.publish as release

    whole, calls = release.enter_model_store, []

    def interrupted(bundle: Path) -> str:
        calls.append(bundle)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(bundle)

    monkeypatch.setattr(release, "enter_model_store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "home", tiny, 2)
    assert run(tmp_path / "home", tiny, 2).digest == record.digest


def test_a_rollback_and_a_promotion_again_stand_in_the_ledger(record: ReplayRecord, home: Path) -> None:
    before = read_pointer(home, Role.CHAMPION)
    assert before is not None
    earlier = before.generation - 1
    rollback(str(home), earlier, "looked wrong on the front page")
    assert read_pointer(home, Role.CHAMPION).generation == earlier  # type: ignore[union-attr]
    rollback(str(home), before.generation, "it was the front page")
    assert read_pointer(home, Role.CHAMPION) == before
    last = read_releases(home)[-2:]
    assert [(r.kind.value, r.generation) for r in last] == [("ROLL_BACK", earlier), ("RE_PROMOTE", before.generation)]
    assert [r.reason for r in read_status(Workspace(home)).releases][-2:] == [r.reason for r in last]


@pytest.mark.parametrize(
    ("to", "reason", "message"),
    [(99, "why", "no generation 99; the ledger knows 1, 2, 3"), (1, " ", "the reason is empty")],
)
def test_a_rollback_to_nowhere_or_without_a_reason_moves_nothing(
    record: ReplayRecord, home: Path, to: int, reason: str, message: str
) -> None:
    before = read_pointer(home, Role.CHAMPION)
    with pytest.raises(ContractBroken, match=message):
        rollback(str(home), to, reason)
    assert read_pointer(home, Role.CHAMPION) == before


def test_a_damaged_bundle_is_not_rolled_back_to(record: ReplayRecord, home: Path) -> None:
    part = home / "bundles" / "g000001" / "policy.json"
    content = part.read_text()
    part.write_text(content.replace("epsilon", "epsilom"))
    with pytest.raises(ContractBroken, match=r"part policy\.json"):
        rollback(str(home), 1, "why")
    part.write_text(content)


def test_another_source_does_not_enter_this_home(record: ReplayRecord, home: Path) -> None:
    with pytest.raises(ContractBroken, match="holds source tiny, received movietweetings"):
        replay(str(home), "movietweetings", 1)


def test_what_the_gate_says_is_what_happens_to_the_pointer(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = iter([Verdict.HOLD, Verdict.PROMOTE, Verdict.ROLL_BACK])
    whole, parents = judging.weigh, []

    def scripted(*inputs: object, **named: object) -> Evaluation:
        parents.append(named["loop"].parent is not None)
        return dataclasses.replace(whole(*inputs, **named), verdict=next(says))  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "weigh", scripted)
    record = run(tmp_path / "home", tiny, 3)
    assert [(t.verdict.value, t.generation, t.parent, t.champion) for t in record.turns] == [
        ("HOLD", 2, 1, 1),
        ("PROMOTE", 3, 1, 3),
        ("ROLL_BACK", 4, 3, 1),
    ]
    assert parents == [False, False, True]
    assert [r.kind.value for r in read_releases(tmp_path / "home")] == ["FIRST", "PROMOTE", "ROLL_BACK"]
    assert read_pointer(tmp_path / "home", Role.CHALLENGER).generation == 4  # type: ignore[union-attr]


RECENT = """
[[fields]]
name = "recent"
kind = "multi"
of = "context"
shares = "item"
width = 4
"""


def test_a_generation_that_attends_to_what_users_liked_is_learned_from_what_it_logged(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = tmp_path / "tiny.toml"
    description.write_text(tiny.description.read_text() + RECENT)
    learned: list[Matured] = []
    whole = engine.warm_start

    def spy(parent: Checkpoint, fresh: Matured, *rest: object) -> Update:
        learned.append(fresh)
        return whole(parent, fresh, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "warm_start", spy)
    attentive = TinySource(description, tiny.log, tiny.frame)
    record = run(tmp_path / "home", attentive, 1, SETTINGS + '[ranker]\narchitecture = "din"\n')
    assert record.turns[0].auc.champion is not None
    with connect(tmp_path / "home" / "warehouse.duckdb") as connection:
        logged = connection.execute(
            "select user_id, epoch_us(requested_at), context ->> '$.recent' from requests where generation = 1"
        ).fetchall()
    keys = hash_ids("user", [user for user, _, _ in logged])
    said = {(key, at): json.loads(text) for key, (_, at, text) in zip(keys, logged, strict=True)}
    rows = [m.examples for m in learned if len(m)]
    assert len(logged) > 20
    assert any(said.values())
    for examples in rows:
        for row, at in zip(examples.keys, examples.at, strict=True):
            assert [key for key in row[-4:] if key] == hash_ids("item", said[row[0], at]).tolist()


def test_an_architecture_that_the_source_cannot_feed_is_told_so_in_one_line(tmp_path: Path, tiny: TinySource) -> None:
    with pytest.raises(ContractBroken, match="needs a multi-valued field named recent") as told:
        run(tmp_path / "home", tiny, 1, '[ranker]\narchitecture = "din"\n')
    assert "\n" not in str(told.value)
