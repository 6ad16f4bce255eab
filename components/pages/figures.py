"""The house template of plotly figures: calm lines, no frame, the same colours on every page.

The series colours are the ones of Okabe and Ito (2008, "Color Universal Design"), darkened where
thin lines on white need it, so that they stay apart for colour-blind readers, and light enough
to be read on a dark page. Text and grid colours come from the page's style sheet.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from numpy import generic

from components.pages.blocks import Cell, Row, Table

if TYPE_CHECKING:
    from plotly.basedatatypes import BaseTraceType
    from plotly.graph_objects import Figure as PlotlyFigure
    from plotly.graph_objects.layout import Template

SERIES = ("#17838d", "#d55e00", "#3b7dbd", "#b8860b", "#8a5a9e", "#4f8f4f", "#7a8791")
"""Colours of series in the order of their introduction on a page."""

REFERENCE = "#9aa7b0"
"""Colour of what something is compared with: a limit, a baseline, a frozen generation."""

OK, WARN, BAD = "#2f8a5b", "#c98a12", "#c0434a"
"""Colours of marks that carry a tone."""


def blank(x: str, y: str) -> "PlotlyFigure":
    """An empty figure in the house style whose axes say what they count, and in which unit."""
    from plotly.graph_objects import Figure as PlotlyFigure

    return PlotlyFigure(layout={"template": figure_style(), "xaxis": {"title": x}, "yaxis": {"title": y}})


def points(figure: "PlotlyFigure") -> Table:
    """What a figure draws, as a table with one row per point; whiskers become a lower and an upper end."""
    layout, traces = figure.layout, list(figure.data)
    rows = [row for trace in traces for row in _rows(trace)]
    columns = ["series", str(layout.xaxis.title.text), str(layout.yaxis.title.text), "lower", "upper"]
    keep = [place for place in range(5) if place in (1, 2) or any(row[place] not in (None, "") for row in rows)]
    return Table([columns[place] for place in keep], [Row([row[place] for place in keep]) for row in rows])


def _rows(trace: "BaseTraceType") -> Iterator[list[Cell]]:
    across = trace.error_x.array is not None
    bars, values = (trace.error_x, trace.x) if across else (trace.error_y, trace.y)
    for place, (x, y) in enumerate(zip(trace.x, trace.y, strict=True)):
        ends: list[Cell] = [None, None]
        if bars.array is not None:
            below = bars.array if bars.arrayminus is None else bars.arrayminus
            ends = [float(values[place]) - float(below[place]), float(values[place]) + float(bars.array[place])]
        yield [trace.name, _plain(x), _plain(y), *ends]


def _plain(value: object) -> Cell:
    """A number or word out of its array."""
    found = value.item() if isinstance(value, generic) else value
    return found if isinstance(found, int | float | str) else str(found)


def figure_style() -> "Template":
    """Template for `layout.template` of every figure on a page."""
    from plotly.graph_objects import layout

    axis = {
        "gridcolor": "#e9eded",
        "zerolinecolor": "#e2e6e6",
        "linecolor": "#e2e6e6",
        "showline": False,
        "ticks": "",
        "automargin": True,
        "ticklabelstandoff": 6,
        "title": {"font": {"size": 13}, "standoff": 10},
    }
    return layout.Template(
        layout={
            "font": {"family": "Inter, Segoe UI, system-ui, Helvetica Neue, Arial, sans-serif", "size": 13},
            "colorway": list(SERIES),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 8, "r": 8, "t": 30, "b": 8},
            "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": "#e2e6e6"},
            "hovermode": "closest",
            "bargap": 0.35,
            "xaxis": axis | {"showgrid": False},
            "yaxis": axis,
        }
    )
