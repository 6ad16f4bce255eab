"""What artifacts and log lines say: all of it, and nothing that a log could smuggle in."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from components.domain import Matured, Verdict
from components.memory.gain import learn_and_score
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from flows.control_room import shown as showing
from flows.control_room.log_line import log_line
from flows.control_room.loss_curve import loss_curve
from flows.control_room.markdown import Raw, table, text
from flows.daily_loop import daily_loop
from tests.conftest import DAY, TinySource
from tests.loop.test_loop import day, ingest
from tests.memory.world import HIDDEN, SPEC, world

EVIL = "<img src=x onerror=alert(1)> [click](javascript:alert(1)) | `x` **b**"


@contextmanager
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Bodies by key instead of calls to a server."""
    bodies: dict[str, str] = {}
    with monkeypatch.context() as inside:
        inside.setattr(showing, "somebody_looks", lambda: True)
        inside.setattr(showing, "create_markdown_artifact", lambda body, key, description: bodies.update({key: body}))
        yield bodies


@pytest.mark.usefixtures("prefect_server")
def test_the_first_turns_of_a_log_say_what_came_in_who_is_new_and_how_far_it_moved(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    frame = tiny.frame.astype({"who": str})
    newcomer = (frame["when"] >= 15_005 * DAY) & (frame["who"] == frame["who"].iloc[-1])
    ingest(home, tiny, frame.assign(who=frame["who"].mask(newcomer, "<b>new|comer</b>")))
    turns = []
    for number in (4, 5, 6):
        with captured(monkeypatch) as bodies:
            assert daily_loop(str(home), day(number)).verdict is (Verdict.PROMOTE if number == 4 else Verdict.HOLD)
        turns.append(bodies)
    first, second, third = turns
    assert re.search(r"\| ids that got a row \| \d+ \|", first["update"]) and "A model from scratch" in first["update"]
    assert "first generation: there is no reference yet" in first["drift"]
    assert "No memory yet" in first["memory"]
    assert f"home-{len(frame)}.parquet |" in second["window"]
    assert "last window" not in second["drift"], "the champion was trained on it: one reference says it all"
    assert "last window" in third["drift"] and third["drift"].count("ok |") >= 4
    assert "new\\|comer" in third["update"] and "<b>" not in third["update"]
    assert "1 | from scratch" in third["release"] and "champion |" in third["release"]


@pytest.mark.usefixtures("prefect_server")
def test_what_was_set_aside_stands_in_window_and_contract_by_reason(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse.connect import connect

    home = tmp_path / "home"
    ingest(home, tiny, tiny.frame)
    with connect(home / "warehouse.duckdb") as connection:
        connection.execute(
            "update impressions set position = -1 where impression_id = (select min(impression_id) from impressions)"
        )
    with captured(monkeypatch) as bodies:
        daily_loop(str(home), day(8))
    assert "| position below 0 | 1 |" in bodies["window"]
    assert re.search(r"position below 0 \| [\d,]+ \| 1 \| BROKEN", bodies["contract"])
    assert "17 of 18 contracts held" in bodies["contract"]


def test_what_a_log_says_stays_text() -> None:
    cell = table(("id",), [(EVIL,)]).splitlines()[2]
    assert cell.count(" | ") == 0 and not re.search(r"(?<!\\)[<>\[\]()`*]", cell)
    assert text("two\nlines\r\nand\ttabs") == "two lines and tabs"
    assert table(("a",), [(Raw("[7](https://x)"),)]).splitlines()[2] == "| [7](https://x) |"


def test_a_table_of_nothing_says_so_and_nan_is_a_dash() -> None:
    assert table(("a",), []) == "_Nothing to show._\n"
    assert table(("a", "b"), [(float("nan"), None)]).splitlines()[2] == "| – | – |"


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ({"rows": 181233, "loss": 0.5}, "stage=x rows=181233 loss=0.5"),
        ({"none": None, "flag": True}, "stage=x flag=True"),
        ({"reason": 'he said "no"\nand left'}, "stage=x reason=\"he said 'no' and left\""),
        ({"empty": ""}, 'stage=x empty=""'),
    ],
)
def test_a_log_line_is_one_line_that_a_machine_reads(figures: dict[str, object], line: str) -> None:
    assert log_line("x", figures) == line  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "curve", [[0.7], [0.7, 0.7], [np.nan, 0.5], list(np.linspace(3, 0.5, 5000)), [1e-9, 2e-9], [np.nan]]
)
def test_a_loss_curve_is_a_small_picture_with_titles_whatever_the_losses(curve: list[float]) -> None:
    kind, _, packed = loss_curve(np.array(curve, np.float32), "A <warm> start & more").partition(",")
    assert kind == "data:image/svg+xml;base64"
    svg = ElementTree.fromstring(base64.b64decode(packed))
    words = [e.text for e in svg.iter() if e.tag.endswith("text")]
    assert {"A <warm> start & more", "batch", "training loss per example, nats"} <= set(words)
    (line,) = (e for e in svg.iter() if e.tag.endswith("polyline"))
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert len(points) <= 240 and len(packed) < 20_000
    assert all(0 <= x <= 720 and 0 <= y <= 320 for x, y in points)


def test_scoring_a_memory_while_it_learns_changes_nothing_it_learns_and_sees_no_outcome_early() -> None:
    w = world(1500, users=30, items=20, days=20.0)
    alone, scored = (ErrorMemory.empty(SPEC, HIDDEN, MemorySettings(), 0) for _ in range(2))
    examples, prediction, reward = w.rows(0, 1500)
    alone.learn(examples, prediction, reward)
    gain = learn_and_score(scored, Matured(examples, reward), lambda _: prediction)
    assert scored.digest() == alone.digest()
    assert gain is not None and gain.rows == 1500
    known = alone.compensate(examples, prediction).astype(float)
    hindsight = float(np.mean(np.logaddexp(0, known) - reward * known))
    assert hindsight < gain.compensated, "what was scored before it was learned is worse than hindsight"
    empty = learn_and_score(scored, Matured(examples, reward), lambda _: prediction, np.empty(0, np.int64))
    assert empty is None
