"""The house template of plotly figures: calm lines, no frame, the same colours on every page.

The series colours are the ones of Okabe and Ito (2008, "Color Universal Design"), darkened where
thin lines on white need it, so that they stay apart for colour-blind readers. Text and grid
colours come from the page's style sheet, which also knows the dark scheme.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects.layout import Template

SERIES = ("#0f6b74", "#d55e00", "#3b7dbd", "#b8860b", "#8a5a9e", "#4f8f4f", "#7a8791")
"""Colours of series in the order of their introduction on a page."""

REFERENCE = "#9aa7b0"
"""Colour of what something is compared with: a limit, a baseline, a frozen generation."""

OK, WARN, BAD = "#2f8a5b", "#c98a12", "#c0434a"
"""Colours of marks that carry a tone."""


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
        "title": {"font": {"size": 13}, "standoff": 10},
    }
    return layout.Template(
        layout={
            "font": {"family": "Inter, Segoe UI, system-ui, Helvetica Neue, Arial, sans-serif", "size": 13},
            "colorway": list(SERIES),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 8, "r": 8, "t": 44, "b": 8},
            "title": {"x": 0, "xref": "container", "xanchor": "left", "font": {"size": 15}},
            "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": "#e2e6e6"},
            "hovermode": "closest",
            "bargap": 0.35,
            "xaxis": axis | {"showgrid": False},
            "yaxis": axis,
        }
    )
