"""Old facts leave day by whole day, to files or away; what is still asked of them stays, and nothing comes back."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.domain import DAY, ContractBroken, Transient, Window
from components.ingest.day_folders import day_folders, digest_of_day, read_days
from components.ingest.interactions import LogTables
from components.schema import TABLES
from warehouse import facts, ledger, query, set_asides
from warehouse.append import append_log, mend_log
from warehouse.append_day import append_day
from warehouse.connect import Warehouse, connect
from warehouse.day_files import forget_in_days, write_beside
from warehouse.facts import Maturing
from warehouse.forget import forget_users
from warehouse.old_facts import OldDay, Reach, old_days, pruned_days, take_out
from warehouse.records import SetAside, SetAsideStatus

FIRST = 15_000 * DAY
SHOP_SOURCE = """
name = "shop"
title = "A shop"
attribution = 86400
columns = {user_id = "user", item_id = "item"}
time = {column = "at", unit = "us"}
outcome = {column = "bought", kind = "purchase", equals = 1}
fields = [{name = "user", kind = "id", of = "user"}, {name = "item", kind = "id", of = "item"}]
"""
HOUR = DAY // 24
IN_A_DAY, EXPLICIT = Maturing("purchase", 86_400.0), Maturing("purchase", None)
EVERYTHING = Reach(FIRST + 90 * DAY, FIRST + 90 * DAY, IN_A_DAY)
ASIDE = "a window that is set aside may still be learned"
UNLEARNED = "a generation that is kept has not learned it"
NOBODY: dict[str, pd.DataFrame] = {}
FACTS = ("requests", "impressions", "outcomes", "quarantine")


def shop(days: int = 6, per_day: int = 40, seed: int = 0) -> LogTables:
    """Slates of two, shown half an hour apart (so that some span midnight); half of them are bought within a day."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    at = FIRST + np.sort(rng.integers(0, days * DAY, n))
    user = [f"u{i}" for i in rng.integers(0, 30, n)]
    request = np.array([f"r{i}" for i in range(n)])
    requests = pd.DataFrame(
        {
            **{"request_id": request, "user_id": user, "at": at, "generation": pd.array([None] * n, "Int64")},
            **{"context": [f'{{"page":"p{i % 3}"}}' if i % 5 else None for i in range(n)]},
            **{"eligible": [[f"i{k}" for k in range(8)] if i % 7 else None for i in range(n)]},
        }
    )
    requests.loc[n // 2 :, "generation"] = 3
    shown = requests.loc[requests.index.repeat(2)].reset_index(drop=True)
    position = np.tile(np.arange(2, dtype=np.int32), n)
    impressions = pd.DataFrame(
        {
            **{"impression_id": shown["request_id"] + "-" + pd.Series(position).astype(str)},
            **{"request_id": shown["request_id"], "item_id": [f"i{k}" for k in rng.integers(0, 8, 2 * n)]},
            **{"position": position, "propensity": rng.random(2 * n), "score": np.nan, "logit": rng.normal(size=2 * n)},
            **{
                "generation": shown["generation"],
                "logging_policy": "log",
                "at": shown["at"] + position.astype(int) * HOUR // 2,
            },
        }
    )
    bought = impressions[rng.random(2 * n) < 0.5]
    outcomes = pd.DataFrame(
        {
            **{
                "impression_id": bought["impression_id"],
                "kind": "purchase",
                "reward": 1.0,
                "grade": rng.random(len(bought)),
            },
            **{"outcome_at": bought["at"] + rng.integers(0, DAY, len(bought))},
        }
    )
    return LogTables(requests, impressions, outcomes)


ENTITIES = {
    "users": pd.DataFrame({"entity_id": ["u1", "u2"], "attributes": ['{"age":"30"}', '{"age":"40"}']}),
    "items": pd.DataFrame({"entity_id": ["i1"], "attributes": ['{"genre":"g"}']}),
}


@pytest.fixture
def w(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "home" / "w.duckdb", "shop")
    append_log(made, shop(), ENTITIES, digest="all", path="shop.parquet")
    refer(made)
    return made


def refer(w: Warehouse) -> None:
    """Let requests without an eligible set refer to a catalogue, as a service's do."""
    with connect(w.path) as connection:
        connection.execute("insert into catalogues values ('shop', 'c1', ['i1', 'i2']), ('shop', 'c2', ['i9'])")
        connection.execute("update requests set eligible_of = 'c1' where eligible is null")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "home" / "facts"


def rows(w: Warehouse, table: str) -> list[tuple[object, ...]]:
    """The rows of a table, but for the batch they came by."""
    columns = "*" if table == "quarantine" else "* exclude (batch)"
    with connect(w.path) as connection:
        return connection.sql(f"select {columns} from {table} order by all").fetchall()


def everything(w: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    return {table: rows(w, table) for table in FACTS}


def take(w: Warehouse, archive: Path | None, reach: Reach = EVERYTHING, width: int = 3) -> list[OldDay]:
    """Take out whatever may go."""
    going = [day for day in old_days(w, reach) if day.needed is None]
    for day in going:
        take_out(w, day, reach.maturing, width, archive)
    return going


def before(days: float, since: float | None = None, maturing: Maturing = IN_A_DAY) -> Reach:
    return Reach(FIRST + round(days * DAY), FIRST + round((days if since is None else since) * DAY), maturing)


def test_a_slate_that_spans_midnight_goes_whole_with_the_day_on_which_it_ended(w: Warehouse, archive: Path) -> None:
    log = shop()
    ends = log.impressions.groupby("request_id")["at"].max()
    starts = log.requests.set_index("request_id")["at"]
    spanning = ends.index[(ends // DAY) != (starts.loc[ends.index] // DAY)]
    assert len(spanning) >= 3, "the shop must have slates that span midnight"
    (first,) = [day for day in old_days(w, before(90)) if day.day == date(2011, 1, 26)]
    take_out(w, first, IN_A_DAY, 3, archive)
    gone = set(ends.index[ends < FIRST + DAY])
    assert {row[0] for row in rows(w, "requests")} == set(ends.index) - gone
    assert {row[1] for row in rows(w, "impressions")} == set(ends.index) - gone
    assert set(read_days(day_folders(str(archive))).requests["request_id"]) == gone


def test_what_has_not_matured_what_somebody_has_not_learned_and_the_days_from_before_on_stay(w: Warehouse) -> None:
    needed = {str(day.day): day.needed for day in old_days(w, before(4, since=3))}
    assert list(needed) == ["2011-01-26", "2011-01-27", "2011-01-28", "2011-01-29"]
    assert [*needed.values()] == [None, None, UNLEARNED, UNLEARNED], "shown a day before it matures"


def test_a_window_that_is_set_aside_keeps_its_days_and_those_that_mature_in_it(w: Warehouse) -> None:
    start, cutoff = FIRST + 2 * DAY, FIRST + 3 * DAY
    halted = SetAside(start=start, cutoff=cutoff, status=SetAsideStatus.HALTED, reasons=("odd",))
    set_asides.record(w, halted)
    stays = [str(day.day) for day in old_days(w, before(6)) if day.needed == ASIDE]
    assert stays == ["2011-01-27", "2011-01-28", "2011-01-29"], "the last has slates that began inside it"
    accepted = halted.model_copy(update={"status": SetAsideStatus.ACCEPTED, "learnable_at": FIRST + 5 * DAY})
    set_asides.record(w, accepted)
    learned_later = [str(day.day) for day in old_days(w, before(6, since=4.5)) if day.needed]
    assert "2011-01-28" in learned_later, "readmitted: who was made before has not learned it"
    assert not any(day.needed for day in old_days(w, before(5, since=6))), "everybody has learned it"


def test_an_explicit_outcome_that_came_inside_a_window_that_is_set_aside_keeps_the_day_it_is_of(w: Warehouse) -> None:
    aside = SetAside(
        start=FIRST + 2 * DAY, cutoff=FIRST + 2 * DAY + 6 * HOUR, status=SetAsideStatus.HALTED, reasons=("odd",)
    )
    set_asides.record(w, aside)
    stays = {str(day.day) for day in old_days(w, before(6, maturing=EXPLICIT)) if day.needed == ASIDE}
    assert {"2011-01-27", "2011-01-28"} <= stays and "2011-01-30" not in stays


def questions() -> pa.Table:
    users, days = np.meshgrid([f"u{i}" for i in range(30)], np.arange(4, 7, 0.25))
    at = (FIRST + days.ravel() * DAY).astype(np.int64)
    return pa.table({"number": np.arange(at.size), "user_id": pa.array(users.ravel(), pa.string()), "at": at})


@pytest.mark.parametrize("width", [1, 3, 50])
def test_who_liked_what_last_what_was_shown_first_and_what_can_be_served_are_known_as_before(
    w: Warehouse, archive: Path, width: int
) -> None:
    def asked() -> list[pd.DataFrame]:
        recent = facts.recent(w, questions(), width, IN_A_DAY).to_pandas().sort_values(["question", "age"])
        likes = [facts.likes(w, FIRST + cutoff * DAY, width, IN_A_DAY) for cutoff in (4, 5, 9)]
        first = facts.first_shown(w).sort_values("item_id")
        return [f.reset_index(drop=True) for f in (recent, *likes, first)]

    known, servable = asked(), facts.servable(w, FIRST + 9 * DAY)
    assert len(take(w, archive, before(4, since=4), width)) >= 2
    for then, now in zip(known, asked(), strict=True):
        pd.testing.assert_frame_equal(then, now)
    assert facts.servable(w, FIRST + 9 * DAY).tolist() == servable.tolist()
    with connect(w.path) as connection:
        kept = connection.sql("select user_id, count(*) from pruned_likes group by all").fetchall()
    assert kept and max(n for _, n in kept) <= width + 20


def test_of_items_that_only_a_service_showed_none_becomes_servable_by_leaving(tmp_path: Path) -> None:
    w, log = Warehouse(tmp_path / "w.duckdb", "shop"), shop()
    append_log(
        w, LogTables(log.requests, log.impressions.assign(generation=3), log.outcomes), NOBODY, digest="a", path=""
    )
    take(w, None)
    assert facts.servable(w, FIRST + 9 * DAY).tolist() == []
    assert len(facts.first_shown(w)) == 8


def finish(w: Warehouse, day: int) -> None:
    window = Window(FIRST + (day - 1) * DAY, FIRST + day * DAY)
    ledger.open_window(w, window)
    ledger.finish_turn(w, window.cutoff, 0, 0, "{}")


def test_what_comes_late_is_told_of_days_that_are_there_and_left_out_of_those_that_went(
    w: Warehouse, archive: Path
) -> None:
    for day in range(1, 6):
        finish(w, day)
    assert take(w, archive, before(4, since=4))
    assert facts.late(w, FIRST + 5 * DAY) == ()
    late = shop(days=5, per_day=20, seed=9)
    late = LogTables(*(_prefixed(getattr(late, name)) for name in TABLES))
    batch = append_log(w, late, NOBODY, digest="late", path="late")
    told = facts.late(w, FIRST + 5 * DAY)
    assert batch.left_out > 0 and sum(window.impressions for window in told) == batch.rows - batch.left_out > 0
    gone = {day.day for day in pruned_days(w)}
    assert not any(row[3].date() in gone for row in rows(w, "requests") if str(row[0]).startswith("late"))
    stays = {day.day: day.needed for day in old_days(w, before(5, since=4.9))}
    assert set(stays.values()) == {UNLEARNED}, "nobody has learned what came late, however long ago it was shown"


def _prefixed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: "late" + table[name] for name in ("request_id", "impression_id") if name in table})


def test_the_same_file_changes_nothing_and_one_that_overlaps_brings_only_what_is_left(
    w: Warehouse, archive: Path
) -> None:
    digest = facts.content_digest(w)
    take(w, archive, before(4, since=4))
    left = everything(w)
    assert not append_log(w, shop(), ENTITIES, digest="all", path="shop.parquet").new
    again = append_log(w, shop(), ENTITIES, digest="all of it in another file", path="shop2.parquet")
    assert everything(w) == left
    assert (again.rows, again.duplicates) == (480, 480) and 0 < again.left_out < 480
    assert facts.content_digest(w) != digest, "another batch was ingested"
    assert sum(day.impressions for day in pruned_days(w)) == again.left_out


def test_a_log_that_mends_a_window_does_not_bring_other_days_back(w: Warehouse, archive: Path) -> None:
    window = Window(FIRST + 4 * DAY, FIRST + 5 * DAY)
    aside = {"start": window.start, "cutoff": window.cutoff, "status": SetAsideStatus.HALTED}
    set_asides.record(w, SetAside(**aside, reasons=("odd",)))
    take(w, archive, before(3, since=3))
    left = len(rows(w, "impressions"))
    batch, windows = mend_log(w, shop(), NOBODY, digest="m", path="m", learnable_at=FIRST + 6 * DAY)
    assert windows == (window,) and batch.left_out > 0
    assert len(rows(w, "impressions")) == left


def test_archived_days_make_the_same_rows_in_a_new_home(w: Warehouse, archive: Path, tmp_path: Path) -> None:
    wanted = everything(w)
    (tmp_path / "source.toml").write_text("name = 'shop'")
    archive.mkdir()
    write_beside(w, archive, tmp_path / "source.toml")
    days = take(w, archive)
    assert len(days) == 6 or len(days) == 7
    assert everything(w)["impressions"] == []
    fresh = Warehouse(tmp_path / "new.duckdb", "shop")
    tables = read_days(day_folders(str(archive)))
    batches = [append_day(fresh, day, tables.entities, digest=digest_of_day(day)) for day in day_folders(str(archive))]
    assert everything(fresh) == wanted
    with connect(fresh.path) as connection:
        assert connection.sql("select * from catalogues").fetchall() == [("shop", "c1", ["i1", "i2"])]
    known = tables.requests.set_index("request_id")["eligible"].map(list)
    assert known["r0"] == ["i1", "i2"] and known["r1"] == [f"i{k}" for k in range(8)]
    assert [b.rows for b in batches] == [day.impressions for day in days] and all(b.new for b in batches)
    assert rows_of_entities(fresh) == rows_of_entities(w)
    again = [append_day(fresh, day, {}, digest=digest_of_day(day)) for day in day_folders(str(archive))]
    assert not any(b.new for b in again)
    for name in TABLES:
        at = getattr(tables, name)["outcome_at" if name == "outcomes" else "at"].to_numpy()
        inside = [getattr(read_days([day]), name) for day in day_folders(str(archive))]
        assert len(at) == sum(map(len, inside))
        assert all((f["outcome_at" if name == "outcomes" else "at"].diff().dropna() >= 0).all() for f in inside)


def rows_of_entities(w: Warehouse) -> list[list[tuple[object, ...]]]:
    with connect(w.path) as connection:
        return [connection.sql(f"select * from {name} order by all").fetchall() for name in ("users", "items")]


def test_quarantined_rows_go_with_what_they_are_of(w: Warehouse, archive: Path) -> None:
    first, last = shop().impressions["impression_id"].iloc[[0, -1]]
    rejected = pd.DataFrame(
        [("impressions", first, "odd"), ("outcomes", f"{first}/purchase", "odd"), ("impressions", last, "odd")],
        columns=["table_name", "row_id", "reason"],
    )
    ledger.record_validation(w, Window(FIRST, FIRST + 9 * DAY), 0, rejected, "{}")
    take(w, archive, before(3, since=3))
    assert [row[3] for row in rows(w, "quarantine")] == [last]
    found = pd.read_parquet(day_folders(str(archive))[0] / "quarantine.parquet")
    assert found["row_id"].tolist() == [first, f"{first}/purchase"]


class Killed(BaseException):
    """The process is gone."""


STEPS = 51
"""More than taking two days out has."""


def killing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process die before the step of that number: a query that is run, or a rename."""
    left = [after]

    def step() -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1

    def before_each(owner: object, name: str) -> None:
        whole = getattr(owner, name)

        def stepped(*args: object, **named: object) -> object:
            step()
            return whole(*args, **named)

        monkeypatch.setattr(owner, name, stepped)

    before_each(query, "execute")
    before_each(query, "fill")
    before_each(Path, "replace")


@pytest.mark.parametrize("after", range(0, STEPS, 3))
def test_killed_at_any_step_nothing_is_lost_and_the_next_run_ends_as_if_nothing_had_happened(
    w: Warehouse, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = everything(w)
    with monkeypatch.context() as patch:
        killing(patch, after)
        with suppress(Killed):
            take(w, archive, before(3, since=3))
    there = everything(w)
    folders = day_folders(str(archive)) if archive.exists() else []
    taken = {day.day for day in pruned_days(w)}
    archived = read_days([f for f in folders if date.fromisoformat(f.name[4:]) in taken]) if taken else None
    kept = 0 if archived is None else len(archived.impressions)
    assert len(there["impressions"]) + kept == len(whole["impressions"]), "every row is in the warehouse or in a file"
    take(w, archive, before(3, since=3))
    assert sorted(p.name for p in archive.iterdir()) == ["day=2011-01-26", "day=2011-01-27"]
    twin = Warehouse(tmp_path / "twin.duckdb", "shop")
    append_log(twin, shop(), ENTITIES, digest="all", path="shop.parquet")
    refer(twin)
    take(twin, tmp_path / "twin", before(3, since=3))
    assert everything(w) == everything(twin)
    pd.testing.assert_frame_equal(
        facts.likes(w, FIRST + 9 * DAY, 3, IN_A_DAY), facts.likes(twin, FIRST + 9 * DAY, 3, IN_A_DAY)
    )
    for one, other in zip(day_folders(str(archive)), day_folders(str(tmp_path / "twin")), strict=True):
        assert digest_of_day(one) == digest_of_day(other)


def test_a_file_that_does_not_hold_the_rows_deletes_nothing(
    w: Warehouse, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, written = everything(w), query.fill

    def half(connection: object, name: str, slots: dict[str, str], **parameters: query.Parameter) -> object:
        if name.endswith("write_going") and slots["table"] == "going_outcomes":
            slots = {"table": "(from going_outcomes limit 3)"}
            return connection.execute("copy (from going_outcomes limit 3) to $path (format parquet)", parameters)  # type: ignore[attr-defined]
        return written(connection, name, slots, **parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(query, "fill", half)
    with pytest.raises(
        ContractBroken, match=r"outcomes.parquet does not hold what was written: 3 rows.*nothing was deleted"
    ):
        take(w, archive)
    monkeypatch.undo()
    assert everything(w) == whole and [*archive.iterdir()] == []


def test_a_disk_that_is_full_deletes_nothing_and_leaves_nothing(
    w: Warehouse, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    whole = everything(w)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Transient, match="No space left on device; space and rights there are needed"):
        take(w, archive)
    monkeypatch.undo()
    assert everything(w) == whole and [*archive.iterdir()] == []


def test_without_an_archive_days_go_for_good_and_do_not_come_back(w: Warehouse, tmp_path: Path) -> None:
    take(w, None, before(3, since=3))
    assert [day.archived for day in pruned_days(w)] == [False, False]
    assert not (tmp_path / "home" / "facts").exists()
    assert append_log(w, shop(), NOBODY, digest="b", path="b").left_out > 0


def test_days_on_which_nothing_was_logged_and_a_home_without_old_facts_cost_nothing(
    tmp_path: Path, archive: Path
) -> None:
    w = Warehouse(tmp_path / "w.duckdb", "shop")
    assert old_days(w, EVERYTHING) == ()
    log = shop()
    gap = (log.requests["at"] // DAY == 15_002) | (log.requests["at"] // DAY == 15_001)
    out = set(log.requests["request_id"][gap])
    append_log(
        w,
        LogTables(log.requests[~gap], log.impressions[~log.impressions["request_id"].isin(out)], log.outcomes),
        NOBODY,
        digest="a",
        path="a",
    )
    days = [str(day.day) for day in take(w, archive, before(4, since=4))]
    assert days == ["2011-01-26", "2011-01-27"] or days == ["2011-01-26"]
    assert old_days(w, before(3, since=3)) == ()


def forgotten(w: Warehouse, user: str, at: int) -> dict[str, int]:
    return forget_users(w, {user: (at, 7)})


@pytest.fixture
def with_days(w: Warehouse, archive: Path) -> Iterator[Warehouse]:
    take(w, archive, before(4, since=4))
    yield w


def test_who_is_forgotten_is_taken_out_of_old_days_and_of_what_stayed_behind(
    with_days: Warehouse, archive: Path
) -> None:
    w, before_ = with_days, read_days(day_folders(str(archive)))
    theirs = set(before_.requests["request_id"][before_.requests["user_id"] == "u4"])
    untouched = {
        f: digest_of_day(f) for f in day_folders(str(archive)) if "u4" not in set(read_days([f]).requests["user_id"])
    }
    assert forgotten(w, "u4", FIRST + 20 * DAY)["likes"] > 0
    assert forget_in_days(w, archive) == len(theirs) > 0
    after = read_days(day_folders(str(archive)))
    assert "u4" not in set(after.requests["user_id"])
    assert set(before_.requests["request_id"]) - set(after.requests["request_id"]) == theirs
    assert set(after.impressions["request_id"]) == set(after.requests["request_id"])
    assert set(after.outcomes["impression_id"]) <= set(after.impressions["impression_id"])
    assert len(after.outcomes) == int(
        before_.outcomes["impression_id"].str.rsplit("-", n=1).str[0].map(lambda r: r not in theirs).sum()
    )
    assert {f: digest_of_day(f) for f in untouched} == untouched
    assert forget_in_days(w, archive) == 0
    assert "u4" not in set(facts.likes(w, FIRST + 90 * DAY, 9, IN_A_DAY)["user_id"])


def test_what_a_forgotten_user_did_later_stays(with_days: Warehouse, archive: Path) -> None:
    forgotten(with_days, "u4", FIRST + DAY)
    forget_in_days(with_days, archive)
    theirs = read_days(day_folders(str(archive))).requests.query("user_id == 'u4'")
    assert len(theirs) and (theirs["at"] > FIRST + DAY).all()


@pytest.mark.parametrize("after", range(4))
def test_forgetting_that_is_killed_between_two_files_is_gone_on_with(
    with_days: Warehouse, archive: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    forgotten(with_days, "u4", FIRST + 20 * DAY)
    left, whole = [after], Path.replace

    def killed(self: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(Killed):
        forget_in_days(with_days, archive)
    monkeypatch.undo()
    assert forget_in_days(with_days, archive) > 0
    found = read_days(day_folders(str(archive)))
    assert "u4" not in set(found.requests["user_id"])
    assert set(found.impressions["request_id"]) == set(found.requests["request_id"])
    assert set(found.outcomes["impression_id"]) <= set(found.impressions["impression_id"])


def test_a_quarantined_outcome_of_who_is_forgotten_is_named_no_more(w: Warehouse) -> None:
    log = shop()
    request = log.requests.query("user_id == 'u4'")["request_id"].iloc[0]
    rejected = pd.DataFrame([("outcomes", f"{request}-0/purchase", "odd")], columns=["table_name", "row_id", "reason"])
    ledger.record_validation(w, Window(FIRST, FIRST + 9 * DAY), 0, rejected, "{}")
    forgotten(w, "u4", FIRST + 20 * DAY)
    assert rows(w, "quarantine") == []


def test_a_days_files_have_every_column_of_the_tables_but_how_a_row_came_here(w: Warehouse, archive: Path) -> None:
    take(w, archive, before(3, since=3))
    (first, *_) = day_folders(str(archive))
    for table in TABLES:
        with connect(w.path) as connection:
            columns = set(connection.table(table).columns) - {"source", "batch", "known_from"}
        instants = {"requested_at": "at", "shown_at": "at"}
        wanted = {instants.get(name, name) for name in columns}
        assert set(pd.read_parquet(first / f"{table}.parquet").columns) == wanted, "what is not written is lost"
