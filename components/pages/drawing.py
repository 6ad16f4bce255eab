"""A figure as shapes: everything at percent of the plot, so that the browser fits it to any width without a script.

Percentages are of the plot from its left and upper edge. What each shape looks like stands in `blocks.html`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.pages.cells import show
from components.pages.figures import MARKS, Figure, Ink, Rule, Series, Value, drawn, told
from components.pages.scale import Scale, Tick, all_of, scale_of

CROWDED = 90
"""Points of a line from which its marks are left out: they would hide it."""
GAP = 0.3
"""Share of a category's band that stays free between groups of bars."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One mark with what it says on pointing at it."""

    x: str
    y: str
    shape: str
    ink: Ink
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its upper left corner, its width and height."""

    x: str
    y: str
    width: str
    height: str
    ink: Ink
    text: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line."""

    x1: str
    y1: str
    x2: str
    y2: str
    ink: Ink


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points, in percent: ``x,y x,y``."""

    points: str
    ink: Ink
    dashed: bool


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend."""

    name: str
    ink: Ink
    shape: str
    line: bool
    dashed: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A rule with its word; `side`: at which end of it the word has room."""

    rule: Rule
    x: str
    side: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All shapes of a figure, those further back first."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    grid_x: bool
    bars: tuple[Bar, ...]
    whiskers: tuple[Stroke, ...]
    curves: tuple[Curve, ...]
    dots: tuple[Dot, ...]
    rules: tuple[Named, ...]
    legend: tuple[Key, ...]
    height: int


def draw(figure: Figure) -> Drawing:
    """Shapes of a figure."""
    return _Canvas(figure).drawing()


class _Canvas:
    """A figure with its two scales; y percents are from above."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._bars = [s for s in figure.series if s.draw == "bars"]
        self._across = bool(self._bars) and bool(figure.y.categories)
        self._x = scale_of(figure.x, [*self._values(0), *(r.at for r in figure.rules), *self._tops(0)])
        y = scale_of(figure.y, [*self._values(1), *self._tops(1)])
        self._y = all_of(y, figure.y) if figure.y.categories else y

    def drawing(self) -> Drawing:
        """All shapes."""
        f = self._figure
        y_ticks = tuple(Tick(self._down(t.at), t.text) for t in self._y.ticks)
        return Drawing(
            x_ticks=self._x.ticks,
            y_ticks=y_ticks,
            grid_x=not f.x.categories,
            bars=tuple(self._drawn_bars()),
            whiskers=tuple(w for s in f.series for w in self._whiskers(s)),
            curves=tuple(c for s in f.series for c in self._curves(s)),
            dots=tuple(d for s in f.series for d in self._dots(s)),
            rules=tuple(Named(r, _at(self._x.place(r.at)), _side(self._x.place(r.at))) for r in f.rules),
            legend=tuple(_key(s) for s in f.series) if len(f.series) > 1 else (),
            height=f.height,
        )

    def _values(self, axis: int) -> Iterator[Value]:
        for s in self._figure.series:
            yield from (s.x, s.y)[axis]
            for ends in (s.x_ends, s.y_ends)[axis]:
                yield from ends or ()

    def _tops(self, axis: int) -> Iterator[float]:
        """Where bars begin, and where stacked ones end."""
        if not self._bars or (axis == 0) != self._across:
            return
        yield 0.0
        if self._figure.stacked:
            sides = [(s.y, s.x) if self._across else (s.x, s.y) for s in self._bars]
            totals: dict[Value, float] = {}
            for places, lengths in sides:
                for place, length in zip(places, lengths, strict=True):
                    totals[place] = totals.get(place, 0.0) + _number(length)
            yield from totals.values()

    def _down(self, place: float) -> float:
        """Percent from above; categories are listed from above already."""
        return place if self._figure.y.categories else 100 - place

    def _at(self, x: Value, y: Value) -> tuple[float, float]:
        return self._x.place(x), self._down(self._y.place(y))

    def _points(self, s: Series) -> Iterator[tuple[int, Value, Value]]:
        f = self._figure
        for place, (x, y) in enumerate(zip(s.x, s.y, strict=True)):
            if drawn(x) and drawn(y) and not (f.x.log and _number(x) <= 0) and not (f.y.log and _number(y) <= 0):
                yield place, x, y

    def _curves(self, s: Series) -> Iterator[Curve]:
        if s.draw not in ("line", "steps"):
            return
        runs: list[list[tuple[float, float]]] = [[]]
        last = -1
        for place, x, y in self._points(s):
            if place != last + 1:
                runs.append([])
            at = self._at(x, y)
            if s.draw == "steps" and runs[-1]:
                runs[-1].append((at[0], runs[-1][-1][1]))
            runs[-1].append(at)
            last = place
        for run in runs:
            if len(run) > 1:
                yield Curve(" ".join(f"{x:.2f},{y:.2f}" for x, y in run), s.ink, s.dashed)

    def _dots(self, s: Series) -> Iterator[Dot]:
        found = [] if s.draw == "bars" else list(self._points(s))
        if s.draw != "marks" and (len(found) > CROWDED or s.dashed):
            return
        for place, x, y in found:
            a, b = self._at(x, y)
            yield Dot(_at(a), _at(b), s.mark or MARKS.get(s.ink, "dot"), s.ink, self._said(s, place, x, y))

    def _whiskers(self, s: Series) -> Iterator[Stroke]:
        for place, x, y in self._points(s):
            a, b = (_at(v) for v in self._at(x, y))
            if s.x_ends and (ends := s.x_ends[place]):
                low, high = (_at(self._x.place(e)) for e in ends)
                yield Stroke(low, b, high, b, s.ink)
            if s.y_ends and (ends := s.y_ends[place]):
                low, high = (_at(self._down(self._y.place(e))) for e in ends)
                yield Stroke(a, low, a, high, s.ink)

    def _drawn_bars(self) -> Iterator[Bar]:
        count = 1 if self._figure.stacked else max(len(self._bars), 1)
        scale: Scale = self._y if self._across else self._x
        wide = scale.band * (1 - GAP) / count
        ends: dict[Value, float] = {}
        for order, s in enumerate(self._bars):
            for place, x, y in self._points(s):
                category, length = (y, _number(x)) if self._across else (x, _number(y))
                begin = ends.get(category, 0.0) if self._figure.stacked else 0.0
                ends[category] = begin + length
                slot = 0 if self._figure.stacked else order
                side = scale.place(category) - wide * count / 2 + wide * slot
                yield self._bar(s, side, wide, (begin, begin + length), self._said(s, place, x, y))

    def _bar(self, s: Series, side: float, wide: float, ends: tuple[float, float], text: str) -> Bar:
        if self._across:
            low, high = sorted(self._x.place(e) for e in ends)
            return Bar(_at(low), _at(side), _at(high - low), _at(wide), s.ink, text)
        low, high = sorted(self._down(self._y.place(e)) for e in ends)
        return Bar(_at(side), _at(low), _at(wide), _at(high - low), s.ink, text)

    def _said(self, s: Series, place: int, x: Value, y: Value) -> str:
        f = self._figure
        name = f"{s.name}, {s.names[place]}" if s.names else s.name
        return f"{name}: {show(told(x, f.x))}, {show(told(y, f.y))}"


def _key(s: Series) -> Key:
    shape: str = s.mark or MARKS.get(s.ink, "dot")
    if s.draw == "bars":
        shape = "bar"
    elif s.draw != "marks" and (s.dashed or len(s.x) > CROWDED):
        shape = "none"
    return Key(s.name, s.ink, shape, s.draw in ("line", "steps"), s.dashed)


def _side(place: float) -> str:
    return "start" if place < 25 else "end" if place > 75 else "middle"


def _number(value: Value) -> float:
    return value if isinstance(value, float | int) else 0.0


def _at(percent: float) -> str:
    return f"{round(percent, 2):g}%"


def summary(figure: Figure) -> str:
    """One sentence for those who hear the page."""
    names: Sequence[str] = [s.name for s in figure.series if s.name]
    told_names = f"; {', '.join(names)}" if names else ""
    return f"{figure.title}. {figure.y.title} by {figure.x.title}{told_names}. The table below has every point."
