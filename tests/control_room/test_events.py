"""Events say what happened, under the names that the page has, and no other."""

import dataclasses
import inspect
import re
from typing import Any

import pytest

from components.domain import DriftAction, Verdict
from flows.control_room import events as telling
from flows.daily_loop import daily_loop
from flows.rollback import rollback
from flows.stages import drift as drifting
from tests.conftest import ROOT
from tests.control_room.conftest import Played

PAGE = (ROOT / "docs" / "control-room.md").read_text()
Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Name and payload of every event."""
    found: Sent = []

    def emit(*, event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        assert resource == {"prefect.resource.id": f"evercurrent.source.{payload['source']}"}
        found.append((event, payload))

    monkeypatch.setattr(telling, "emit_event", emit)
    return found


def names(sent: Sent) -> list[str]:
    return [name for name, _ in sent]


def test_a_release_and_the_way_back_are_told_as_the_ledger_has_them(played: Played, sent: Sent) -> None:
    assert daily_loop(str(played.home), played.cutoff).verdict is Verdict.PROMOTE
    assert names(sent) == ["evercurrent.release.promote", "evercurrent.turn.promote"]
    sent.clear()
    rollback(str(played.home), 1, "it sold less")
    rollback(str(played.home), 2, "it did not")
    assert names(sent) == ["evercurrent.release.rollback", "evercurrent.release.promote"]
    back, forth = (payload for _, payload in sent)
    assert (back["generation"], back["previous"], back["reason"], back["cutoff"]) == (1, 2, "it sold less", None)
    assert forth["kind"] == "RE_PROMOTE"


def test_a_canary_is_told_when_it_goes_out_and_when_a_person_takes_it_back(played: Played, sent: Sent) -> None:
    played.set("\n[release.canary]\nshare = 0.2\n")
    daily_loop(str(played.home), played.cutoff)
    assert names(sent) == ["evercurrent.canary.sent_out", "evercurrent.turn.promote"]
    assert sent[0][1]["generation"] == 2 and sent[0][1]["champion"] == 1
    sent.clear()
    rollback(str(played.home), 1, "not this one")
    assert names(sent) == ["evercurrent.canary.refused"]
    assert sent[0][1]["reasons"] == ["by hand: not this one"]


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (DriftAction.UPDATE, []),
        (DriftAction.REBUILD, ["evercurrent.drift.rebuild"]),
        (DriftAction.HALT, ["evercurrent.drift.halt", "evercurrent.halt"]),
    ],
)
def test_drift_is_an_event_only_where_it_asks_for_more_than_an_update(
    played: Played, sent: Sent, monkeypatch: pytest.MonkeyPatch, action: DriftAction, told: list[str]
) -> None:
    whole = drifting.decide
    monkeypatch.setattr(
        drifting,
        "decide",
        lambda *inputs: dataclasses.replace(whole(*inputs), action=action, reasons=("so measured",)),
    )
    record = daily_loop(str(played.home), played.cutoff)
    found = [name for name in names(sent) if "drift" in name or "halt" in name]
    assert found == told
    drift = [payload for name, payload in sent if name.startswith("evercurrent.drift.")]
    assert all(payload["cutoff"] == record.cutoff and payload["reasons"] == ["so measured"] for payload in drift)


def test_the_page_names_every_event_and_every_field_of_it() -> None:
    kinds = [kind for _, kind in inspect.getmembers(telling, inspect.isclass) if hasattr(kind, "model_fields")]
    ours = [kind for kind in kinds if kind.__module__ == telling.__name__]
    assert len(ours) == 7
    for kind in ours:
        named = re.match(r"``(evercurrent\.[a-z_.]+)", kind.__doc__ or "")
        assert named, kind
        (line,) = [row for row in PAGE.splitlines() if row.startswith(f"| `{named[1]}`")]
        assert set(re.findall(r"`(\w+)`", line.rsplit(" | ", 1)[1])) == set(kind.model_fields)
