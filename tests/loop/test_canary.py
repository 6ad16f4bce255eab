"""A generation that serves some users first: sent out by the gate, compared, promoted or refused; a crash between."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import flows.stages.canary as canary_stage
import flows.stages.release as releasing
from components.domain import Verdict
from components.evaluate.canary import CanaryLook
from components.publish.canary import read_canary
from components.publish.pointer import Role, read_pointer, read_releases
from components.publish.snapshot import read_snapshot
from flows.cli.status import Status, read_status, show_status
from flows.rollback import rollback
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.loop.test_replay import SETTINGS, run

pytestmark = pytest.mark.usefixtures("prefect_server")

CANARY = (
    SETTINGS
    + """
[drift]
page = false

[release.canary]
share = 0.5
minimum_users = 20
margin = {margin}
days = {days}
"""
)


def out(home: Path, tiny: TinySource, turns: int = 1, margin: float = 0.9, days: float = 28.0) -> Status:
    """A replay whose first update is sent out as canary."""
    run(home, tiny, turns, CANARY.format(margin=margin, days=days))
    return read_status(Workspace(home))


def champion(home: Path) -> int:
    pointer = read_pointer(home, Role.CHAMPION)
    assert pointer is not None
    return pointer.generation


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Path:
    home = tmp_path_factory.mktemp("canary") / "home"
    out(home, tiny)
    return home


@pytest.fixture
def home(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "home"))


def test_what_passes_the_gate_serves_a_share_and_the_champion_stays(begun: Path) -> None:
    status = read_status(Workspace(begun))
    assert (status.champion, status.canary, champion(begun)) == (1, 2, 1)
    pointer = read_canary(begun)
    assert pointer is not None and (pointer.generation, pointer.champion, pointer.share) == (2, 1, 0.5)
    assert [g.verdict for g in status.generations] == ["PROMOTE", "PROMOTE"]
    assert [r.generation for r in status.releases] == [1]


def test_each_user_is_answered_by_the_generation_that_the_hash_says(begun: Path, tiny: TinySource) -> None:
    pointer = read_canary(begun)
    assert pointer is not None
    latest = max((begun / "replay").glob("*/requests.parquet"))
    requests = pd.read_parquet(latest)
    expected = [2 if pointer.serves(user) else 1 for user in requests["user_id"]]
    assert requests["generation"].tolist() == expected
    assert set(expected) == {1, 2}
    assert requests["at"].is_monotonic_increasing


def test_a_canary_that_is_not_worse_is_promoted_in_a_later_turn(home: Path, tiny: TinySource) -> None:
    status = out(home, tiny, turns=2)
    assert (status.champion, status.canary, champion(home)) == (2, None, 2)
    assert read_canary(home) is None
    ended = status.canaries[0]
    assert (ended.generation, ended.verdict, ended.champion) == (2, "PROMOTE", 1)
    assert [(r.generation, r.previous, r.kind) for r in status.releases] == [(1, None, "FIRST"), (2, 1, "PROMOTE")]
    assert status.releases[-1].reason.startswith("canary; non-inferiority, margin 90.0%")
    assert [g.generation for g in status.generations] == [1, 2], "no challenger is made while a canary is out"
    look = json.loads(ended.look or "")
    assert min(look["users"]) >= 20
    assert read_snapshot(home, 2) is not None
    show_status(status)


def test_after_a_promotion_the_next_generation_has_the_canary_as_its_parent(home: Path, tiny: TinySource) -> None:
    status = out(home, tiny, turns=3)
    assert [(g.generation, g.parent) for g in status.generations] == [(1, None), (2, 1), (3, 2)]


def test_a_canary_that_shows_nothing_in_its_days_is_refused_and_the_champion_never_moved(
    tmp_path: Path, tiny: TinySource
) -> None:
    home = tmp_path / "home"
    status = out(home, tiny, turns=3, margin=0.001, days=1.0)
    assert champion(home) == 1
    refused = status.canaries[0]
    assert (refused.generation, refused.verdict) == (2, "ROLL_BACK")
    assert refused.reasons and "is not above 0" in refused.reasons[0]
    assert [r.generation for r in read_releases(home)] == [1]
    assert [(g.generation, g.parent) for g in status.generations] == [(1, None), (2, 1), (3, 1)]
    assert status.canary == 3 or status.generations[-1].verdict == "HOLD"


def test_a_turn_broken_between_promotion_and_its_end_is_resumed_and_promotes_once(
    home: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*inputs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(canary_stage, "take_back", interrupted)
        with pytest.raises(KeyboardInterrupt):
            out(home, tiny, turns=2)
    status = out(home, tiny, turns=2)
    assert (status.champion, status.canary) == (2, None)
    assert [r.generation for r in status.releases] == [1, 2]
    assert status.canaries[0].verdict == "PROMOTE"


def test_a_canary_that_is_worse_is_refused_at_once(
    home: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = CanaryLook(
        Verdict.ROLL_BACK, ("the canary is worse: upper bound -0.01 of the difference is below 0",), (9, 9), (9, 9)
    )
    monkeypatch.setattr(canary_stage, "look", lambda *_, **__: worse)
    status = out(home, tiny, turns=2)
    assert (status.champion, status.canary, champion(home)) == (1, None, 1)
    assert status.canaries[0].verdict == "ROLL_BACK"
    assert "worse" in (status.canaries[0].reasons or ("",))[0]


@pytest.mark.parametrize(("to", "verdict", "champions"), [(1, "ROLL_BACK", [1]), (2, "PROMOTE", [1, 2])])
def test_a_person_may_take_a_canary_back_or_give_it_to_everyone(
    home: Path, to: int, verdict: str, champions: list[int]
) -> None:
    said = rollback(str(home), to, "looked odd")
    status = read_status(Workspace(home))
    assert str(to) in said
    assert (status.champion, status.canary, read_canary(home)) == (to, None, None)
    assert (status.canaries[0].verdict, status.canaries[0].ended_at) == (verdict, None)
    assert status.canaries[0].reasons == ("by hand: looked odd",)
    assert [r.generation for r in status.releases] == champions


def test_settling_again_changes_nothing(home: Path) -> None:
    before = {p.name: p.read_text() for p in (home / "pointers").iterdir()}
    releasing.settle(Workspace(home))
    assert {p.name: p.read_text() for p in (home / "pointers").iterdir()} == before
