"""The report site: drawn from the ledger alone, readable offline, and never worth a turn."""

import json
import logging
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.domain import Transient
from components.evaluate.promise import Promise
from components.publish.pointer import ReleaseKind
from flows.site import draw
from flows.site.disk_use import disk_use
from flows.site.draw import draw_site, refresh_site
from flows.site.history import (
    CalibrationTold,
    DriftTold,
    EstimateTold,
    EvaluationTold,
    FieldTold,
    History,
    ReferenceTold,
    ReplayedTold,
    SiteTurn,
    TrustTold,
    ValidationTold,
    WindowAside,
    read_history,
)
from flows.site.index_page import index_page
from flows.turn import TurnRecord
from flows.workspace import Workspace
from tests.conftest import TinySource
from warehouse import ledger
from warehouse.records import CanaryMade, JudgedGeneration, ReleaseMade, TurnKept

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert('x')</script>"
WEEK = 7 * 86_400_000_000
START = 1_366_848_000_000_000
TRUST = TrustTold.model_validate(
    {"weights": [{"signal": s, "weight": w} for s, w in (("base logit", 1), ("outcome", 0.6))]}
)
ESTIMATE = {"name": "DR", "value": 0.5, "lower": 0.4, "upper": 0.6, "ess": 90.0, "interval": "skew-corrected"}


def turn(number: int, verdict: str = "PROMOTE", *, made: bool = True) -> SiteTurn:
    """The turn that made a generation, with everything that a turn may know."""
    cutoff = START + number * WEEK
    record = TurnRecord.model_validate(
        {
            **{"cutoff": f"2013-05-{number + 1:02d}T00:00:00Z", "generation": number, "parent": max(number - 1, 1)},
            **{"champion": number, "requests": 1900, "impressions": 1900, "accepted": 1890, "quarantined": 12},
            **{"drift_action": "UPDATE", "ids_grown": 3, "ids_expired": 1, "digest": "d", "verdict": verdict},
            **{
                "reasons": ["lower bound is above the floor", EVIL],
                "seconds": {"update": 2.0, "read": 1.0, "validate": 0.5},
            },
            **{"value": {"estimate": 0.5 + number / 100, "lower": 0.4, "upper": 0.7}},
        }
    )
    parent = None if number == 1 else number - 1
    judged = {"generation": number, "parent": parent, "cutoff": cutoff, "rows": 9, "grown": 3, "expired": 1}
    fields = (
        FieldTold(column="genre", distance=0.05 * number, limit=0.1),
        FieldTold(column=EVIL, distance=None, limit=0.1),
    )
    calibration = CalibrationTold(
        log_loss=0.6 - number / 100, expected=0.58, constant=0.69, calibration_error=0.02, auc=0.7
    )
    return SiteTurn(
        record=record,
        kept=TurnKept(
            start=cutoff - WEEK,
            cutoff=cutoff,
            turn="{}",
            validation=None,
            drift_champion=1,
            drift_reasons=(),
            drift=None,
            challenger=number,
            evaluation=None,
        ),
        validation=ValidationTold(),
        drift=DriftTold(
            training=ReferenceTold(fields=fields), last=ReferenceTold(fields=fields), calibration=calibration
        ),
        evaluation=EvaluationTold(
            champion_value=EstimateTold(value=0.49), difference=EstimateTold(value=0.01, lower=-0.01, upper=0.03)
        ),
        made=JudgedGeneration(**judged, verdict=verdict, reasons=(EVIL,)) if made else None,
        trust=TRUST,
        replayed=ReplayedTold.model_validate(
            {
                **{"cutoff": record.cutoff, "value": {"true": 0.52, "random": 0.3, "oracle": 0.9}},
                **{"auc": {"frozen": 0.7, "champion": 0.75, "champion_with_memory": 0.8}},
            }
        ),
        pages=("drift.html", "evaluation.html", "validation.html"),
    )


def eventful() -> History:
    """Everything that can happen: a hold, a turn without a challenger, a canary, a roll-back, a pruned bundle."""
    turns = (turn(1), turn(2), turn(3, "HOLD"), turn(4), turn(5, "HOLD", made=False), turn(6))
    releases = [
        ReleaseMade(release=1, generation=1, previous=None, kind="FIRST", reason="first", cutoff=START + WEEK),
        ReleaseMade(release=2, generation=2, previous=1, kind="PROMOTE", reason="good; very", cutoff=START + 2 * WEEK),
        ReleaseMade(release=3, generation=4, previous=2, kind="PROMOTE", reason="good", cutoff=START + 4 * WEEK),
        ReleaseMade(release=4, generation=2, previous=4, kind=ReleaseKind.ROLL_BACK, reason=EVIL, cutoff=None),
    ]
    look = {"difference": {"lower": -0.01, "upper": 0.02}, "canary": 0.5, "champion": 0.49, "reasons": ["so far"]}
    canary = CanaryMade(
        generation=6,
        champion=2,
        began_at=START + 6 * WEEK,
        settings='{"share": 0.1}',
        looked_at=START,
        look=json.dumps(look),
        verdict=None,
        reasons=None,
        ended_at=None,
    )
    promise = Promise.from_json(
        json.dumps({"generation": 2, "metric": "reward", "promised": ESTIMATE, "earned": ESTIMATE, "gap": ESTIMATE})
    )
    return History(
        source=EVIL,
        unit="reward",
        champion=2,
        turns=turns,
        generations=tuple(t.made for t in turns if t.made),
        releases=tuple(releases),
        canaries=(canary,),
        promises=(promise,),
        bundles=frozenset({2, 3, 4, 6}),
        disk={"bundles": 3_000_000, "warehouse": 1_000_000},
        aside=(WindowAside(START, START + WEEK, ("outcomes contradict the champion", "z 9.1"), "open"),),
        others=("replay.html",),
    )


class Outline(HTMLParser):
    """Headings, anchors, links and what a browser would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids |= {named["id"] or ""} if "id" in named else set()
        if tag == "a":
            self.links.append(named.get("href") or "")
        if "src" in named or (tag == "link" and "href" in named) or tag == "script":
            self.loaded.append(tag)


def test_the_front_page_tells_everything_that_happened_and_loads_nothing() -> None:
    html = index_page(eventful())
    seen = Outline(html)
    assert seen.loaded == [] and EVIL not in html
    headings = re.findall(r"<h2>([^<]*)</h2>", html)
    assert headings == [
        *("Generations", "Windows set aside", "Canaries", "Quality", "Policy value", "Promise and outcome", "Drift"),
        *("Data", "Memory", "Cost", "Disk"),
    ]
    assert {f"g{g}" for g in (1, 2, 3, 4, 6)} <= seen.ids
    assert {link[1:] for link in seen.links if link.startswith("#")} <= seen.ids
    assert f"turns/{START + 2 * WEEK}/drift.html" in seen.links and "replay.html" in seen.links
    for words in (
        "bundle pruned",
        "none made",
        "outcomes contradict the champion",
        "so far",
        "by hand",
        "challenger, true",
    ):
        assert words in html, words


def test_sections_without_anything_to_tell_are_absent() -> None:
    calm = replace(eventful(), canaries=(), aside=(), promises=(), others=())
    turns = tuple(replace(t, drift=None, trust=None, replayed=None, evaluation=None, pages=()) for t in calm.turns)
    headings = re.findall(r"<h2>([^<]*)</h2>", index_page(replace(calm, turns=turns)))
    assert headings == ["Generations", "Quality", "Policy value", "Data", "Cost", "Disk"]


def test_a_home_whose_first_turn_is_not_finished_has_a_front_page(tmp_path: Path, tiny: TinySource) -> None:
    workspace = Workspace(tmp_path)
    shutil.copy(tiny.description, workspace.source)
    page = draw_site(workspace).read_text()
    assert "No turn has been finished yet." in page and "none yet" in page


def test_a_turns_record_of_an_earlier_version_is_read_and_what_it_lacks_is_absent(
    tmp_path: Path, tiny: TinySource
) -> None:
    workspace = Workspace(tmp_path)
    shutil.copy(tiny.description, workspace.source)
    from components.domain import Window
    from flows.turn import warehouse_of

    w = warehouse_of(workspace)
    ledger.open_window(w, Window(START, START + WEEK))
    ledger.finish_turn(w, START + WEEK, 1, 1, turn(1).record.model_dump_json(exclude={"held_out"}))
    workspace.replay_record.parent.mkdir()
    workspace.replay_record.write_text('{"turns": 7}')
    history = read_history(workspace)
    assert len(history.turns) == 1 and history.turns[0].drift is None and history.turns[0].replayed is None
    assert "2013-05-02" in index_page(history)


def test_a_page_is_never_worth_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(workspace: Workspace) -> History:
        raise Transient("another process holds the warehouse")

    monkeypatch.setattr(draw, "read_history", busy)
    with caplog.at_level(logging.WARNING):
        refresh_site(Workspace(tmp_path))
    assert "event=not_drawn reason=Transient: another process holds the warehouse" in caplog.text
    assert not (tmp_path / "reports").exists()


def test_a_file_that_lies_in_two_places_is_counted_once(tmp_path: Path) -> None:
    for folder in ("bundles", "bentoml", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bundles" / "a").write_bytes(b"x" * 1000)
    (tmp_path / "bentoml" / "a").hardlink_to(tmp_path / "bundles" / "a")
    (tmp_path / "bentoml" / "b").write_bytes(b"x" * 10)
    (tmp_path / "elsewhere" / "gone").symlink_to(tmp_path / "nothing")
    use = disk_use(tmp_path)
    assert (use["bundles"], use["BentoML's stores"]) == (1000, 10)
    assert sum(use.values()) < 1100


def test_twenty_generations_of_pages_and_a_year_of_turns_on_the_front_page_stay_small() -> None:
    many = replace(eventful(), turns=tuple(turn(1 + n % 20) for n in range(365)))
    assert len(index_page(many).encode()) < 3_000_000
    few = replace(eventful(), turns=tuple(turn(n) for n in range(1, 21)))
    assert len(index_page(few).encode()) < 400_000


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1400])
def test_a_browser_draws_the_site_from_a_folder_without_an_error_or_a_request(tmp_path: Path, width: int) -> None:
    page = tmp_path / "index.html"
    page.write_text(index_page(eventful()))
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--hide-scrollbars"]
    flags += ["--enable-logging=stderr", "--v=0", f"--window-size={width},2000", "--virtual-time-budget=4000"]
    flags += [f"--screenshot={tmp_path}/site.png", "--disable-background-networking", "--no-first-run"]
    seen = subprocess.run([BROWSER, *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in seen.stderr
    assert (tmp_path / "site.png").stat().st_size > 20_000
    flags = [f for f in flags if not f.startswith("--screenshot")]
    dom = subprocess.run(
        [BROWSER, *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    drawn = unescape(dom.stdout)
    assert drawn.count('<svg class="plot') == 14
    assert len(re.findall(r'<a href="#g\d+" class="(\w+)">', drawn)) == 5
    assert {"champion", "released", "held", "canary", "rolled_back"} == set(
        re.findall(r'<a href="#g\d+" class="(\w+)">', drawn)
    )
    assert re.findall(r'<td class="h\d"[^>]*>[^<]*!', drawn)
    assert drawn.count('<path class="move"') == 1
