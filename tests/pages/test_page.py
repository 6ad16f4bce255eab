"""The house style: what users' logs put into a page stays text, and the page stays one file."""

import gzip
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from components.pages.blocks import (
    Badge,
    Badges,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Link,
    Links,
    Row,
    Section,
    Table,
    Text,
    Tone,
    show,
)
from components.pages.figures import blank, points
from components.pages.page import render, write_page
from components.pages.turn_pages import TurnPage, links_to

EVIL = "<script>alert('x')</script>"


def drawn(name: str = "line") -> go.Figure:
    """A figure of two points."""
    figure = blank("day", "requests")
    figure.add_scatter(x=[1, 2], y=[3, 4], name=name)
    return figure


@pytest.mark.parametrize(
    "block",
    [
        Text([EVIL]),
        KeyFigures([KeyFigure(EVIL, EVIL, EVIL)]),
        Table([EVIL], [[EVIL]], caption=EVIL),
        Table([EVIL], [], caption=EVIL, empty=EVIL),
        Badges([Badge(EVIL, Tone.BAD)]),
        Table(["a"], [[Badge(EVIL)]]),
        Links([Link(EVIL, "a.html?" + EVIL)]),
        Table(["a"], [[Link(EVIL, "a.html")]]),
    ],
)
def test_markup_in_the_data_stays_text_in_every_block(block):
    html = render(EVIL, EVIL, [Section(EVIL, [block])], [Badge(EVIL)])
    assert EVIL not in html
    assert "&lt;script&gt;" in html


def test_markup_in_a_figure_can_not_close_its_script():
    html = render("t", "", [Section("", [Figure(EVIL, drawn("</script><b>"), caption=EVIL)])])
    data = re.search(r'class="plot-data">(.*?)</script>', html, re.S)
    assert data is not None
    assert json.loads(data.group(1))["data"][0]["name"] == "</script><b>"
    assert EVIL not in html


@pytest.mark.parametrize(
    ("title", "x", "y", "fault"),
    [("", "day", "n", "no words for its title"), ("t", "", "", "no words for its x axis and y axis")],
)
def test_a_figure_that_does_not_say_what_it_shows_is_refused(title, x, y, fault):
    with pytest.raises(ValueError, match=fault):
        Figure(title, blank(x, y))


def test_a_figures_points_stand_behind_it_as_a_table():
    figure = blank("reward per request", "policy")
    figure.add_scatter(x=[0.5], y=["ours"], error_x={"array": [0.2], "arrayminus": [0.1]}, name="value")
    figure.add_scatter(x=np.array([2]), y=["theirs"], name="truth")
    table = points(figure)
    assert table.columns == ["series", "reward per request", "policy", "lower", "upper"]
    assert [row.cells for row in table.lines] == [["value", 0.5, "ours", 0.4, 0.7], ["truth", 2, "theirs", None, None]]
    html = render("t", "", [Section("", [Figure("f", figure)])])
    assert "<summary>The points as a table</summary>" in html
    assert '<td class="number">0.7</td>' in html


def test_a_table_of_points_leaves_out_what_no_point_has():
    figure = blank("day", "requests")
    figure.add_bar(x=[1, 2], y=[3, 4])
    assert points(figure).columns == ["day", "requests"]


def test_the_other_pages_of_a_turn_are_linked_below_the_title():
    html = render("Drift", "", [], beside=links_to([TurnPage.VALIDATION, TurnPage.EVIDENTLY]))
    head = html.split("<header>")[1].split("</header>")[0]
    assert re.findall(r'href="([^"]+)"', head) == ["validation.html", "drift-evidently.html"]


def test_a_long_reason_gets_room_and_a_date_is_not_broken():
    html = render("t", "", [Section("", [Table(["day", "why"], [["2013-05-02", "because " * 9]])])])
    assert re.findall(r'<td class="(\w+)">', html) == ["word", "prose"]


def test_plotly_is_inlined_once_and_only_if_there_is_a_figure():
    without = render("t", "", [Section("", [Text(["no figure"])])])
    twice = render("t", "", [Section("", [Figure("Lines", drawn())]), Section("", [Figure("Lines", drawn())])])
    assert len(without) < 20_000
    packed = re.findall(r'id="plotly">([^<]*)<', twice)
    assert len(packed) == 1
    assert b"plotly.js v" in gzip.decompress(b64decode(packed[0]))[:200]
    assert len(twice) < 2_500_000
    assert twice.count('class="plot"') == 2


class Addresses(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.loaded += [f"{tag} {value}" for name, value in attrs if name == "src" or (tag, name) == ("link", "href")]


def test_a_page_loads_nothing_from_anywhere():
    html = render("t", "", [Section("", [Figure("Lines", drawn()), Links([Link("more", "drift.html")])])])
    reader = Addresses()
    reader.feed(html)
    assert reader.loaded == []
    assert "default-src 'none'" in html
    assert "@import" not in html.split("</style>")[0]


@pytest.mark.parametrize("href", ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "file:///etc"])
def test_a_link_that_could_run_or_read_something_is_refused(href):
    with pytest.raises(ValueError, match="allowed are relative, http and https"):
        Link("x", href)


@pytest.mark.parametrize("href", ["drift.html", "#rows", "../reports/g3.html", "https://example.org/a:b"])
def test_ordinary_links_are_kept(href):
    assert f'href="{href}"' in render("t", "", [Section("", [Links([Link("x", href)])])])


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (None, ".3f", "–"),
        (float("nan"), None, "–"),
        (float("inf"), None, "inf"),
        (0, None, "0"),
        (-1234567, None, "-1,234,567"),
        (12345.678, None, "12,346"),
        (12.345678, None, "12.35"),
        (0.00012, None, "0.00012"),
        (0.25, ".1%", "25.0%"),
        ("0.250", None, "0.250"),
        (True, None, "True"),
    ],
)
def test_cells_are_shown_like_this(value, spec, text):
    assert show(value, spec) == text


@pytest.mark.parametrize(
    ("column", "cells", "aligned"),
    [
        (Column("c"), [1, 2.5, None], True),
        (Column("c"), [1, "many"], False),
        (Column("c"), [None], False),
        (Column("c"), [True], False),
        (Column("c", numeric=True), ["0.5 to 0.6"], True),
        (Column("c", numeric=False), [7], False),
    ],
)
def test_numbers_are_aligned_to_the_right(column, cells, aligned):
    html = render("t", "", [Section("", [Table([column], [[cell] for cell in cells])])])
    assert ('<td class="number"' in html) is aligned


def test_a_row_that_does_not_fit_its_table_is_refused():
    with pytest.raises(ValueError, match="a row has 1 cells; the table has 2 columns"):
        render("t", "", [Section("", [Table(["a", "b"], [["only"]])])])


def test_a_format_spec_leaves_words_alone():
    html = render("t", "", [Section("", [Table([Column("c", ".2f")], [["none yet"], [0.125], [Badge("new")]])])])
    assert "none yet" in html
    assert "0.12<" in html


def test_an_empty_table_says_so():
    html = render("t", "", [Section("", [Table(["a"], [], empty="No row was set aside.")])])
    assert "No row was set aside." in html
    assert "<table" not in html


def test_tone_colours_rows_tiles_and_badges():
    html = render(
        "t",
        "",
        [Section("", [Table(["a"], [Row(["x"], Tone.BAD)]), KeyFigures([KeyFigure("k", 1, tone=Tone.WARN)])])],
        [Badge("HOLD", Tone.OK)],
    )
    assert '<tr class="bad">' in html
    assert '<div class="tile warn">' in html
    assert '<span class="badge ok">HOLD</span>' in html


def test_the_same_page_twice_is_the_same_bytes():
    sections = [Section("s", [Figure("Lines", drawn())])]
    assert render("t", "u", sections) == render("t", "u", sections)


def test_writing_replaces_the_page_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "new" / "page.html"
    write_page(path, "one")
    write_page(path, "zwei äöü")
    assert path.read_text("utf-8") == "zwei äöü"
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_a_write_that_fails_keeps_the_old_page(tmp_path: Path):
    path = tmp_path / "page.html"
    write_page(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_page(path, "half \ud800")
    assert path.read_text("utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
