"""Where a value stands on an axis, in percent of the plot, and which ticks the axis has."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.domain import DAY, HOUR, MINUTE, iso
from components.pages.figures import Axis, Value

STEPS = (
    *(MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR),
    *(days * DAY for days in (1, 2, 7, 14, 28, 91, 182, 365, 1826)),
)
"""Distances of ticks on an axis of time."""
WIDE, NARROW = 9, 4
"""Ticks of a horizontal axis that fit: on a wide screen, and on a phone, which leaves the others out."""
MARGIN = 0.04
"""Share of the range that is left free at either end, so that no mark is cut."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Tick:
    """A word at an axis, `at` percent of it; a `spare` one is left out on a phone."""

    at: float
    text: str
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """`place` gives percent of the axis for a value; `band`: percent that one category has, 0 on a continuous axis."""

    place: Callable[[Value], float]
    ticks: tuple[Tick, ...]
    band: float = 0.0


def scale_of(axis: Axis, values: Iterable[Value]) -> Scale:
    """The scale that an axis needs to show all values; what is no number, or not above 0 on a log axis, is left out."""
    if axis.categories:
        return _categories(axis)
    numbers = [float(v) for v in values if isinstance(v, float | int) and math.isfinite(v)]
    if axis.log:
        return _logarithmic([n for n in numbers if n > 0] or [1.0])
    low, high = _range([*numbers, *([0.0] if axis.zero or not numbers else [])])
    steps = _instants(low, high) if axis.time else _round_numbers(low, high)
    text = _dates(steps) if axis.time else _decimals(steps)
    spare = max(1, math.ceil(len(steps) / NARROW)) if axis.time else 1
    edge = (high - low) * MARGIN
    left = low if axis.zero and min(numbers, default=0.0) >= 0 else low - edge
    right = high + edge

    def place(value: Value) -> float:
        return 100 * (float(value or 0) - left) / (right - left)

    return Scale(place, tuple(Tick(place(s), text(s), i % spare > 0) for i, s in enumerate(steps)))


def day(instant: int) -> str:
    """A day as it stands at an axis.

    >>> day(1_362_062_307_000_000)
    '28 Feb'
    """
    text = iso(instant)
    return f"{int(text[8:10])} {MONTHS[int(text[5:7]) - 1]}"


def _categories(axis: Axis) -> Scale:
    names, count = list(axis.categories), len(axis.categories)
    places: Mapping[Value, float] = {name: 100 * (p + 0.5) / count for p, name in enumerate(names)}
    every, narrow = math.ceil(count / WIDE), math.ceil(math.ceil(count / WIDE) * WIDE / NARROW)
    narrow = math.ceil(narrow / every) * every
    texts = axis.short or names
    ticks = [
        Tick(places[n], t, p % narrow > 0) for p, (n, t) in enumerate(zip(names, texts, strict=True)) if p % every == 0
    ]
    return Scale(lambda value: places[value], tuple(ticks), 100 / count)


def all_of(scale: Scale, axis: Axis) -> Scale:
    """The scale with every category named: there is room for all where they stand below each other."""
    names = axis.short or axis.categories
    ticks = [Tick(scale.place(c), t) for c, t in zip(axis.categories, names, strict=True)]
    return Scale(scale.place, tuple(ticks), scale.band)


def _logarithmic(numbers: Sequence[float]) -> Scale:
    low, high = math.log10(min(numbers)), math.log10(max(numbers))
    edge = max(high - low, 0.1) * MARGIN * 1.5
    low, high = low - edge, high + edge
    decades = range(math.floor(low), math.ceil(high) + 1)
    every = max(1, math.ceil(len(decades) / 6))
    factors = (1, 2, 5) if high - low < 2 else (1,)
    marks = [(e, f) for e in decades if e % every == 0 for f in factors if low <= e + math.log10(f) <= high]

    def place(value: Value) -> float:
        return 100 * (math.log10(float(value or 1)) - low) / (high - low)

    return Scale(place, tuple(Tick(place(f * 10.0**e), f"{f * 10.0**e:g}") for e, f in marks))


def _range(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    if low == high:
        half = abs(low) / 2 or 0.5
        return (low - half, high + half) if low else (0.0, 1.0)
    return low, high


def _round_numbers(low: float, high: float, wanted: int = 5) -> list[float]:
    rough = (high - low) / wanted
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _decimals(steps: Sequence[float]) -> Callable[[float], str]:
    step = steps[1] - steps[0] if len(steps) > 1 else abs(steps[0]) if steps and steps[0] else 1.0
    digits = next((d for d in range(15) if abs(round(step, d) - step) < step * 1e-6), 15)
    return lambda value: f"{value + 0.0:,.{digits}f}".replace("-0.", "\N{MINUS SIGN}0.").replace("-", "\N{MINUS SIGN}")


def _instants(low: float, high: float) -> list[float]:
    step = next((s for s in STEPS if (high - low) / s <= WIDE - 2), STEPS[-1])
    return [float(n * step) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _dates(steps: Sequence[float]) -> Callable[[float], str]:
    """Days, and the hours between them where ticks are closer."""
    within_days = len(steps) > 1 and steps[1] - steps[0] < DAY
    return lambda value: iso(int(value))[11:16] if within_days and int(value) % DAY else day(int(value))
