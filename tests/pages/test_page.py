"""The house style: what users' logs put into a page stays text, and the page stays one file."""

import re
from html.parser import HTMLParser
from pathlib import Path

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
from components.pages.drawing import draw
from components.pages.figures import Axis, Rule, Series, points
from components.pages.heat_map import HeatCell, HeatMap
from components.pages.lineage import Lineage, Member, Move
from components.pages.page import render, write_page
from components.pages.turn_pages import TurnPage, links_to

EVIL = "<script>alert('x')</script>"


DAY, REQUESTS = Axis("day"), Axis("requests")


def figure(*series: Series, title: str = "Lines", x: Axis = DAY, y: Axis = REQUESTS, **more) -> Figure:
    """A figure, of two points if of nothing else."""
    return Figure(title, x, y, series or (Series("line", [1, 2], [3, 4]),), **more)


def page(*blocks) -> str:
    """HTML of a page with these blocks."""
    return render("t", "", [Section("", blocks)])


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


@pytest.mark.parametrize(
    "block",
    [
        figure(Series(EVIL, [1], [2], names=[EVIL]), Series("b", [EVIL], [2]), title=EVIL, x=Axis(EVIL, [EVIL, 1])),
        figure(x=Axis(EVIL), y=Axis(EVIL), rules=[Rule(EVIL, 1.0)], caption=EVIL),
        HeatMap(EVIL, [EVIL], [(EVIL, [HeatCell(1.0, EVIL)])], EVIL, EVIL),
        Lineage(EVIL, [Member(1, None, "champion", EVIL), Member(2, 1, "held", EVIL)], [Move(2, 1, EVIL)], EVIL),
    ],
)
def test_markup_in_a_drawing_stays_text(block):
    html = page(block)
    assert EVIL not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("title", "x", "y", "fault"),
    [("", "day", "n", "no words for its title"), ("t", "", "", "no words for its x axis and y axis")],
)
def test_a_figure_that_does_not_say_what_it_shows_is_refused(title, x, y, fault):
    with pytest.raises(ValueError, match=fault):
        Figure(title, Axis(x), Axis(y), ())


def test_a_figures_points_stand_behind_it_as_a_table():
    policies = Axis("policy", ["ours", "theirs"])
    ours = Series("value", [0.5], ["ours"], draw="marks", x_ends=[(0.4, 0.7)])
    drawn = figure(ours, Series("truth", [2], ["theirs"], draw="marks"), x=Axis("reward per request"), y=policies)
    table = points(drawn)
    assert [c.label for c in table.heads] == ["series", "reward per request", "policy", "lower", "upper"]
    assert [row.cells for row in table.lines] == [["value", 0.5, "ours", 0.4, 0.7], ["truth", 2, "theirs", None, None]]
    html = page(drawn)
    assert "<summary>The points as a table</summary>" in html
    assert '<td class="number">0.7</td>' in html


def test_series_that_share_their_places_stand_side_by_side_in_the_table():
    table = points(figure(Series("ours", [1, 2], [3, None]), Series("theirs", [1, 2], [5, 6])))
    assert [c.label for c in table.heads] == ["day", "ours", "theirs"]
    assert [row.cells for row in table.lines] == [[1, 3, 5], [2, None, 6]]


def test_a_table_of_points_leaves_out_what_no_point_has():
    assert [c.label for c in points(figure(Series("", [1, 2], [3, 4], draw="bars"))).heads] == ["day", "requests"]


def test_instants_are_drawn_at_days_and_told_as_text():
    day = 86_400_000_000
    drawn = figure(Series("a", [0, 3 * day], [1, 2]), x=Axis("time, UTC", time=True))
    assert [t.text for t in draw(drawn).x_ticks] == ["1 Jan", "12:00", "2 Jan", "12:00", "3 Jan", "12:00", "4 Jan"]
    assert points(drawn).lines[1].cells[-2] == "1970-01-04T00:00:00Z"


def test_a_point_that_is_not_there_breaks_the_line_and_draws_nothing():
    drawn = draw(figure(Series("a", [1, 2, 3, 4, 5], [1, 2, None, float("nan"), 3])))
    assert [len(c.points.split()) for c in drawn.curves] == [2]
    assert len(drawn.dots) == 3


def test_what_is_not_above_zero_has_no_place_on_a_log_axis():
    drawn = draw(figure(Series("a", [0, 1, 100], [1, 1, 1]), x=Axis("weight", log=True)))
    assert len(drawn.dots) == 2
    assert [t.text for t in drawn.x_ticks] == ["1", "10", "100"]


@pytest.mark.parametrize("values", [[], [None], [float("nan")], [7], [0], [-3, -3], [1e-9, 2e-9], [1e12, 3e12]])
def test_any_values_find_a_place_within_the_plot(values):
    drawn = draw(figure(Series("a", list(range(len(values))), values)))
    places = [float(p.strip("%")) for d in drawn.dots for p in (d.x, d.y)]
    assert all(0 <= p <= 100 for p in places)
    assert len(drawn.y_ticks) >= 2
    assert len({t.text for t in drawn.y_ticks}) == len(drawn.y_ticks)


def test_bars_of_one_place_stand_on_each_other_and_reach_their_sum():
    days = Axis("day", ["mon", "tue"])
    stacked = [Series(n, ["mon", "tue"], v, draw="bars") for n, v in (("a", [1, 2]), ("b", [3, 4]))]
    bars = draw(figure(*stacked, x=days, stacked=True)).bars
    tops = [float(b.y.strip("%")) for b in bars]
    bottoms = [float(b.y.strip("%")) + float(b.height.strip("%")) for b in bars]
    assert bottoms[2:] == pytest.approx(tops[:2], abs=0.02)
    assert min(tops) >= 0
    beside = draw(figure(*stacked, x=days)).bars
    assert len({b.x for b in beside}) == 4


def test_many_places_are_named_in_part_and_fewer_of_them_on_a_phone():
    names = [f"day {n}" for n in range(60)]
    ticks = draw(figure(Series("a", names, list(range(60))), x=Axis("day", names))).x_ticks
    assert len(ticks) <= 9
    assert 1 < sum(not t.spare for t in ticks) <= 4


def test_a_crowded_line_has_no_marks():
    many = list(range(500))
    assert not draw(figure(Series("a", many, many))).dots


def test_a_heat_map_marks_what_is_above_its_limit_by_more_than_colour():
    html = page(HeatMap("Drift", ["2 May"], [("genre", [HeatCell(1.8)]), ("year", [HeatCell(None)])], "limits"))
    assert re.findall(r'<td class="(\w+)">([^<]*)</td>', html) == [("h4", "1.8!"), ("none", "\N{EN DASH}")]


def test_a_family_tree_draws_descent_and_moves_and_forgives_a_parent_it_does_not_know():
    members = [Member(7, 3, "released", ""), Member(8, 7, "held", ""), Member(9, 7, "rolled_back", "")]
    tree = Lineage("t", members, [Move(9, 7, "worse"), Move(9, 2, "gone")])
    assert (len(tree.lines), len(tree.arcs)) == (2, 1)
    assert page(tree).count("<circle") == 3


def test_the_other_pages_of_a_turn_are_linked_below_the_title():
    html = render("Drift", "", [], beside=links_to([TurnPage.VALIDATION, TurnPage.EVIDENTLY]))
    head = html.split("<header>")[1].split("</header>")[0]
    assert re.findall(r'href="([^"]+)"', head) == ["validation.html", "drift-evidently.html"]


def test_a_long_reason_gets_room_and_a_date_is_not_broken():
    html = render("t", "", [Section("", [Table(["day", "why"], [["2013-05-02", "because " * 9]])])])
    assert re.findall(r'<td class="(\w+)">', html) == ["word", "prose"]


def test_a_page_runs_no_script_and_says_so_to_the_browser():
    html = page(figure(), figure())
    assert "<script" not in html
    assert "script-src" not in html
    assert "default-src 'none'" in html
    assert html.count('class="plot"') == 2
    assert len(html) < 30_000


class Addresses(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.loaded += [f"{tag} {value}" for name, value in attrs if name == "src" or (tag, name) == ("link", "href")]


def test_a_page_loads_nothing_from_anywhere():
    html = render("t", "", [Section("", [figure(), Links([Link("more", "drift.html")])])])
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
    sections = [Section("s", [figure()])]
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
