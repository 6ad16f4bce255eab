"""The loss curve of an update as a picture: an SVG of a few kilobytes, made without a browser or a plotting library."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Floats
from components.pages.figures import SERIES

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 48
POINTS = 240
"""Most points that are drawn: stretches of batches are averaged."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """A range of values on a stretch of pixels."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    @property
    def step(self) -> float:
        """A round distance of ticks, a fifth of the range or somewhat more."""
        rough = (self.high - self.low) / 5
        size = 10.0 ** np.floor(np.log10(rough))
        return float(size * next(m for m in (1, 2, 5, 10) if size * m >= rough))

    @property
    def ticks(self) -> Sequence[float]:
        """Round values inside."""
        first, last = np.ceil(self.low / self.step - 1e-9), np.floor(self.high / self.step + 1e-9)
        return [n * self.step for n in range(int(first), int(last) + 1)]


def loss_curve(curve: Floats, title: str) -> str:
    """A data URI: training loss per example over batches, in nats; `curve` (batches,), at least one."""
    at, loss = _thinned(curve.astype(np.float64))
    x = _Axis(0, max(float(len(curve)), 1), LEFT, WIDTH - RIGHT)
    low, high = float(loss.min()), float(loss.max())
    margin = max((high - low) * 0.08, 0.01)
    y = _Axis(max(low - margin, 0.0), high + margin, HEIGHT - BOTTOM, TOP)
    points = " ".join(f"{x.at(a):.1f},{y.at(v):.1f}" for a, v in zip(at, loss, strict=True))
    line = f'<polyline points="{points}" fill="none" stroke="{SERIES[0]}" stroke-width="2" stroke-linejoin="round"/>'
    dots = (
        "".join(
            f'<circle cx="{x.at(a):.1f}" cy="{y.at(v):.1f}" r="2.5" fill="{SERIES[0]}"/>'
            for a, v in zip(at, loss, strict=True)
        )
        if len(at) <= 40
        else ""
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="Inter, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#3c474d">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">{_escaped(title)}</text>'
        f"{_grid(x, y)}{line}{dots}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _thinned(curve: Doubles) -> tuple[Doubles, Doubles]:
    """At most `POINTS` stretches of batches: the middle of each, and its mean loss."""
    known = curve[np.isfinite(curve)]
    parts = np.array_split(known if len(known) else np.zeros(1), min(POINTS, max(len(known), 1)))
    ends = np.cumsum([len(part) for part in parts])
    middles = ends - np.array([len(part) for part in parts]) / 2
    return middles, np.array([part.mean() for part in parts])


def _grid(x: _Axis, y: _Axis) -> str:
    """Lines, labels and titles of both axes."""
    floor, decimals = HEIGHT - BOTTOM, max(0, -int(np.floor(np.log10(y.step))))
    rows = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(v):.1f}" y2="{y.at(v):.1f}" stroke="#e2e6e6"/>'
        f'<text x="{LEFT - 8}" y="{y.at(v) + 4:.1f}" text-anchor="end">{v:.{decimals}f}</text>'
        for v in y.ticks
    )
    columns = "".join(
        f'<text x="{x.at(v):.1f}" y="{floor + 18}" text-anchor="middle">{v:,.0f}</text>' for v in x.ticks if v == int(v)
    )
    return (
        f'{rows}{columns}<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">batch</text>'
        f'<text transform="translate(16 {(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">'
        "training loss per example, nats</text>"
    )


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
