"""Runs that a deployment's schedule made: one catches up after an outage, the others find nothing to do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ParameterTypeError
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from components.domain import ContractBroken, instant_of
from flows import provision as provisioning
from flows import scheduled as scheduling
from flows.daily_loop import daily_loop
from flows.scheduled import scheduled_at
from flows.turn import TurnRecord
from tests.conftest import TinySource
from tests.loop.test_loop import day, ingest
from warehouse import ledger
from warehouse.connect import Warehouse

Run = Callable[..., FlowRun]

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    provisioning.provision()
    with get_client(sync_client=True) as made:
        yield made


@flow(name="when", validate_parameters=False)
def when(now: datetime) -> datetime:
    return scheduled_at(now)


def deployed(client: SyncPrefectClient, of: "flow", name: str) -> UUID:  # type: ignore[valid-type]
    flow_id = client.create_flow(of)
    return client.create_deployment(flow_id=flow_id, name=name)


@pytest.fixture
def run(client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Makes a run that was meant to start at an instant; the server's scheduler alone can mark one as its own."""
    by_people: set[UUID] = set()
    monkeypatch.setattr(scheduling, "by_schedule", lambda one: one.id not in by_people)

    def make(deployment: UUID, at: datetime, *, asked: bool = False) -> FlowRun:
        made = client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=at))
        by_people.update({made.id} if asked else set())
        return made

    return make


def test_a_run_ends_its_window_when_it_was_meant_to_start_and_a_late_one_at_the_latest_slot(
    client: SyncPrefectClient, run: Run
) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    slots = [datetime(2026, 3, number, 3, tzinfo=UTC) for number in (1, 2, 3, 4, 5)]
    deployment = deployed(client, when, "nightly")
    runs = [run(deployment, slot) for slot in slots]
    asked = run(deployment, now - timedelta(minutes=5), asked=True)
    assert run_flow(when, flow_run=runs[0], parameters={"now": now}) == slots[3], "one catches up"
    assert run_flow(when, flow_run=runs[3], parameters={"now": now}) == slots[3]
    assert run_flow(when, flow_run=asked, parameters={"now": now}) == now - timedelta(minutes=5)
    assert when(now) == now, "nobody scheduled it"


def test_after_three_missed_nights_one_run_works_and_the_others_say_what_it_did(
    tmp_path: Path, tiny: TinySource, client: SyncPrefectClient, run: Run
) -> None:
    home, deployment = tmp_path / "home", deployed(client, daily_loop, "daily")
    ingest(home, tiny, tiny.frame)
    runs = [run(deployment, day(number)) for number in (4, 5, 6)]
    records = [run_flow(daily_loop, flow_run=one, parameters={"home": str(home)}) for one in runs]
    assert all(isinstance(record, TurnRecord) for record in records)
    assert [record.instant for record in records] == [instant_of(day(6))] * 3  # type: ignore[union-attr]
    w = Warehouse(home / "warehouse.duckdb", "tiny")
    assert len(ledger.windows(w, 0, 1 << 60)) == 1
    named = client.read_flow_run(runs[0].id).name
    assert "PROMOTE generation 1" in named and records[0].cutoff in named  # type: ignore[union-attr]


def test_a_run_whose_slot_a_turn_has_covered_leaves_a_later_slot_to_its_own_run(
    tmp_path: Path, tiny: TinySource, client: SyncPrefectClient, run: Run
) -> None:
    """A home whose turns take longer than its schedule must not work off one turn after another before others."""
    home, deployment = tmp_path / "home", deployed(client, daily_loop, "too often")
    ingest(home, tiny, tiny.frame)
    first, second = (run(deployment, day(number)) for number in (4, 5))

    def ended(one: FlowRun) -> int:
        record = run_flow(daily_loop, flow_run=one, parameters={"home": str(home)})
        assert isinstance(record, TurnRecord)
        return record.instant

    assert ended(first) == instant_of(day(5)), "it catches up"
    third = run(deployment, day(6))
    assert ended(second) == instant_of(day(5)), "what it was for is done, though another slot is due by now"
    assert ended(third) == instant_of(day(6))


def test_what_the_api_gives_as_text_is_read_and_what_nobody_can_read_is_refused(
    tmp_path: Path, tiny: TinySource, client: SyncPrefectClient, run: Run
) -> None:
    home, deployment = tmp_path / "home", deployed(client, daily_loop, "by hand")
    ingest(home, tiny, tiny.frame)

    def given(cutoff: str) -> object:
        asked = run(deployment, day(5), asked=True)
        return run_flow(daily_loop, flow_run=asked, parameters={"home": str(home), "cutoff": cutoff})

    record = given(day(4).isoformat())
    assert isinstance(record, TurnRecord) and record.instant == instant_of(day(4))
    with pytest.raises(ParameterTypeError, match="cutoff"):
        given("tomorrow, perhaps")
    with pytest.raises(ContractBroken, match="2999-01-01T00:00:00Z is in the future; allowed is up to now"):
        given("2999-01-01T00:00:00Z")


def test_what_deployments_need_is_made_once(client: SyncPrefectClient) -> None:
    assert provisioning.provision() == provisioning.provision()
    assert len(client.read_automations_by_name(provisioning.GONE)) == 1
