"""Facts that are old: a home without them turns as one that has them, and what left is read by a new home."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from components.domain import ContractBroken, Window
from components.ingest.day_folders import day_folders, read_days
from flows.prune import old_facts_of, prune
from flows.prune_facts import OldFacts
from flows.replay.replay import replay
from flows.stages.decisions import take_decisions
from flows.stages.forget import ask_to_forget, forget
from flows.stages.ingest import ingest_file, ingest_files
from flows.turn import warehouse_of
from flows.workspace import Workspace, enter
from tests.conftest import DAY, TinySource
from tests.flows.test_decisions import AT, ITEMS, NAMED, empty, outcome, put, request
from tests.loop import late_shop
from tests.loop.late_shop import START, LateShop, turn
from tests.loop.test_loop import command
from warehouse import facts, ledger, old_facts
from warehouse.connect import connect
from warehouse.day_files import write_beside
from warehouse.facts import Maturing
from warehouse.old_facts import Reach

pytestmark = pytest.mark.usefixtures("prefect_server")

SHOP = LateShop(attribution=DAY, delay_days=0.2, days=9, per_day=250, wait_days=0.5, slate=2)
RECENT = '\n[[fields]]\nname = "recent"\nkind = "multi"\nof = "context"\nwidth = 3\nshares = "item"\n'
NO_REPLAY = "max_epochs = 1\nreplay_share = 0"
"""A turn replays a sample of the past: of what is left where facts were pruned, and then its bits differ."""
STRICT = "\n[retention]\ndays = 0\ngenerations = 1\nreleases = 1\nfacts_days = 1\n"


@dataclass(frozen=True)
class Homes:
    """A home of six turns, and the folder it was made in."""

    folder: Path

    def copy(self, to: Path, retention: str = STRICT) -> Path:
        """The home, with settings for what it keeps."""
        shutil.copytree(self.folder / "home", to)
        settings = to / "evercurrent.toml"
        settings.write_text(settings.read_text() + retention)
        return to


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Iterator[Homes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late_shop, "DESCRIPTION", late_shop.DESCRIPTION + RECENT)
        settings = late_shop.SETTINGS.replace("max_epochs = 1", NO_REPLAY)
        patch.setattr(late_shop, "SETTINGS", settings.replace("[evaluate]", "[evaluate]\nanchor_releases = 1"))
        folder = tmp_path_factory.mktemp("old")
        home = SHOP.open(folder)
        for day in range(2, 9):
            turn(home, day)
        yield Homes(folder)


def facts_of(home: Path) -> dict[str, int]:
    with connect(home / "warehouse.duckdb") as connection:
        found = connection.sql(
            "select shown_at::date::varchar as day, count(*) from impressions group by all order by all"
        ).fetchall()
    return dict(found)


def test_the_turn_after_a_prune_is_the_turn_of_a_home_that_kept_everything(played: Homes, tmp_path: Path) -> None:
    home, twin = played.copy(tmp_path / "home"), played.copy(tmp_path / "twin", "")
    found = prune(str(home))
    gone = [item.path for item in found.items if item.kind == "facts"]
    assert len(gone) >= 2 and gone[0] == "facts/day=2011-01-26"
    assert sum(facts_of(home).values()) < sum(facts_of(twin).values())
    pruned, kept = turn(home, 9), turn(twin, 9)
    assert pruned.model_dump(exclude={"seconds"}) == kept.model_dump(exclude={"seconds"})
    for name in ("drift.json", "evaluation.json", "target.parquet"):
        one, other = (next(iter((h / "turns").glob(f"{instant_of_day(9)}/{name}"))) for h in (home, twin))
        assert one.read_bytes() == other.read_bytes(), name
    assert prune(str(home)).kept, "and the next prune goes on"


def instant_of_day(day: int) -> int:
    return (START + day * DAY) * 1_000_000


def test_a_dry_run_lists_the_days_and_what_keeps_the_others_and_touches_nothing(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home")
    before = facts_of(home)
    told = json.loads(command("prune", "--dry-run", "--json", "--home", str(home)))
    days = [item for item in told["items"] if item["kind"] == "facts"]
    assert days[0]["path"] == "facts/day=2011-01-26" and all(d["bytes"] > 0 for d in days)
    assert told["facts_since"] and "has not learned it" in told["facts_why"]
    assert facts_of(home) == before and not (home / "facts").exists()
    shown = command("prune", "--dry-run", "--home", str(home))
    assert f"facts since {told['facts_since']} are kept: {told['facts_why']}" in shown
    assert all(item["why"] == "older than facts_days = 1; to Parquet" for item in days)
    prune(str(home))
    status = command("status", "--home", str(home))
    assert f"of {len(days)} days were pruned" in status
    assert len(list((home / "facts").glob("day=*"))) == len(days)


def test_by_default_facts_are_kept(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home", "\n[retention]\ndays = 0\ngenerations = 1\nreleases = 1\n")
    before = facts_of(home)
    found = prune(str(home))
    assert found.facts_since is None and not any(item.kind == "facts" for item in found.items)
    assert facts_of(home) == before and not (home / "facts").exists()


@pytest.mark.parametrize("wrong", ["facts_days = 0", "facts_days = -1", 'old_facts = "burn"', "fact_days = 3"])
def test_what_the_settings_do_not_know_is_refused(played: Homes, tmp_path: Path, wrong: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(played.folder / "home" / "source.toml", home)
    (home / "evercurrent.toml").write_text(f"[retention]\n{wrong}\n")
    with pytest.raises(ContractBroken, match=wrong.split()[0]):
        old_facts_of(Workspace(home))


def test_a_turn_that_was_begun_and_is_not_finished_keeps_every_day(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home")
    assert old_facts_of(Workspace(home)).going
    w = warehouse_of(Workspace(home))
    ledger.open_window(w, Window(instant_of_day(8), instant_of_day(9)))
    found = old_facts_of(Workspace(home))
    assert found.going == () and "the turn that ends 2011-02-04T00:00:00Z is not finished" in found.why


def test_a_home_without_a_champion_loses_nothing(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "evercurrent.toml").write_text(STRICT)
    ingest_file(enter(home), tiny.log, tiny.description)
    assert old_facts_of(Workspace(home)) == OldFacts()


def test_files_that_a_new_home_brings_in_are_the_facts_that_left(played: Homes, tmp_path: Path) -> None:
    home, twin, new = played.copy(tmp_path / "home"), played.copy(tmp_path / "twin", ""), tmp_path / "new"
    prune(str(home))
    told = command("ingest", f"{home}/facts/day=*", "--source", f"{home}/facts/source.toml", "--home", str(new))
    days = len(day_folders(f"{home}/facts"))
    assert "0 here already" in told and days >= 2
    for pattern in (f"{home}/facts", f"{home}/facts/day=*/*.parquet", f"{home}/facts/day=2011-01-26"):
        again = command("ingest", pattern, "--source", f"{home}/source.toml", "--home", str(new))
        assert " 0 new" in again, pattern
    left, kept = facts_of(new), facts_of(twin)
    assert sum(left.values()) + sum(facts_of(home).values()) == sum(kept.values())
    columns = (
        "impression_id, request_id, item_id, position, propensity, score, logit, generation, logging_policy, shown_at"
    )
    queries = [
        f"select {columns} from impressions order by all",
        "select request_id, user_id, requested_at, generation, context, eligible from requests order by all",
        "select impression_id, kind, reward, grade, outcome_at from outcomes order by all",
    ]
    for text in queries:
        with connect(new / "warehouse.duckdb") as connection:
            ours = connection.sql(text).fetchall()
        with connect(twin / "warehouse.duckdb") as connection:
            theirs = set(map(str, connection.sql(text).fetchall()))
        assert ours and set(map(str, ours)) <= theirs
    back = command("ingest", f"{home}/facts", "--source", f"{home}/source.toml", "--home", str(home))
    assert "left out:" in back and " 0 new" in back


def test_days_of_another_source_are_refused(played: Homes, tmp_path: Path, tiny: TinySource) -> None:
    home = played.copy(tmp_path / "home")
    prune(str(home))
    with pytest.raises(ContractBroken, match="holds days of source late, received tiny; name theirs: --source"):
        ingest_files(enter(tmp_path / "new"), f"{home}/facts", tiny.description)


def test_a_replay_plays_days_that_left(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home")
    w, until = warehouse_of(Workspace(home)), instant_of_day(9)
    (home / "facts").mkdir()
    write_beside(w, home / "facts", home / "source.toml")
    reach = Reach(until, until, Maturing("purchase", float(DAY)))
    for day in old_facts.old_days(w, reach):
        old_facts.take_out(w, day, reach.maturing, 3, home / "facts")
    description, new = tmp_path / "late.toml", tmp_path / "new"
    text = (home / "facts" / "source.toml").read_text()
    description.write_text(text.replace('title = "', 'pretrain = "4d"\ntitle = "') + '\n[world]\nperiod = "day"\n')
    new.mkdir()
    shutil.copy(played.folder / "home" / "evercurrent.toml", new)
    record = replay(str(new), str(description), 2, str(home / "facts"))
    assert [t.cutoff[:10] for t in record.turns] == ["2011-01-31", "2011-02-01"]
    assert all(t.requests > 0 and t.impressions > 0 for t in record.turns)


def test_who_is_forgotten_leaves_the_days_that_left(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home")
    prune(str(home))
    before = read_days(day_folders(f"{home}/facts")).requests
    user = str(before["user_id"].value_counts().index[0])
    ask_to_forget(Workspace(home), user, instant_of_day(8))
    made = forget(Workspace(home))
    assert made is not None and made.old_days == int((before["user_id"] == user).sum()) > 0
    assert user not in set(read_days(day_folders(f"{home}/facts")).requests["user_id"])
    assert forget(Workspace(home)) is None


def test_facts_that_go_for_good_leave_no_folder(played: Homes, tmp_path: Path) -> None:
    home = played.copy(tmp_path / "home", STRICT + 'old_facts = "delete"\n')
    found = prune(str(home))
    assert any("for good" in item.why for item in found.items) and not (home / "facts").exists()
    assert len(old_facts.pruned_days(warehouse_of(Workspace(home)))) >= 2


def test_a_services_decisions_of_a_day_that_went_keep_their_eligible_sets_and_do_not_come_back(
    tmp_path: Path, tiny: TinySource
) -> None:
    home, until, explicit = empty(tmp_path / "home", tiny), AT + 9 * 86_400_000_000, Maturing("like", None)
    put(home, "2026-01-01-7-1", NAMED, request("r1"), outcome("r1-0"), request("r2", "bob", AT + 1, ("heat", "alien")))
    take_decisions(home)
    w = warehouse_of(home)
    (day,) = old_facts.old_days(w, Reach(until, until, explicit))
    home.old_facts.mkdir()
    write_beside(w, home.old_facts, home.source)
    old_facts.take_out(w, day, explicit, 0, home.old_facts)
    found = read_days(day_folders(str(home.old_facts))).requests.set_index("request_id")["eligible"]
    assert list(found["r1"]) == list(ITEMS) and list(found["r2"]) == ["heat", "alien"]
    put(home, "2026-01-01-9-9", NAMED, request("r1"), request("r7", "eve", AT + 3), outcome("r7-0"))
    put(home, "2026-01-02-9-9", NAMED, request("r8", "eve", AT + 86_400_000_000))
    brought = take_decisions(home)
    assert brought is not None and (brought.rows, brought.duplicates, brought.left_out) == (6, 4, 4)
    assert list(facts_of(home.root)) == ["2026-01-02"]
    new = enter(tmp_path / "new")
    (batch,) = ingest_files(new, str(home.old_facts), home.old_facts / "source.toml")
    asked = facts.requests(warehouse_of(new), pa.array(["r1", "r2"]), AT).to_pandas()
    asked = asked.set_index("request_id")["eligible"]
    assert batch.new and list(asked["r1"]) == list(ITEMS) and list(asked["r2"]) == ["heat", "alien"]
