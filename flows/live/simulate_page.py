"""The page of a played world: what users earned over time, and from which generation."""

from collections.abc import Sequence
from itertools import groupby

from components.evaluate.evaluation import earned_in
from components.pages.blocks import Column, Figure, KeyFigure, KeyFigures, Row, Section, Table, Text
from components.pages.figures import REFERENCE, SERIES, Axis, Ink, Series
from components.pages.page import render
from flows.live.simulate_record import LEAST, Earned, SimulateRecord, Slice

MINUTES = "minutes since the start"
STILL = " Frozen is a second service with the generation that answered first, asked the same and told nothing."


def simulate_page(record: SimulateRecord) -> str:
    """One offline HTML page."""
    subtitle = f"{record.requests:,} requests in {record.seconds:.0f} s over HTTP; the log from {record.since[:10]} on"
    sections = [
        Section("", [_tiles(record)]),
        Section("Reward over time", [Text([_what(record)]), _shares(record), _rewards(record)]),
        Section("Generation by generation", [_table(record)]),
    ]
    return render(f"{record.source}, live", subtitle, sections)


def _tiles(record: SimulateRecord) -> KeyFigures:
    whole, note = record.whole, "of what choosing could earn"
    shares = [] if whole is None else [("all generations", whole.share), ("frozen", whole.share_of(whole.frozen))]
    return KeyFigures(
        [
            *(KeyFigure(name, _percent(share), note) for name, share in shares if share is not None),
            *([_gain(whole)] if whole and whole.gain is not None else []),
            KeyFigure("requests", record.requests, f"{record.rate:.0f} a second"),
            KeyFigure("/rank", f"{record.rank_ms_p50:.1f} ms", f"median; 99 % within {record.rank_ms_p99:.0f} ms"),
        ]
    )


def _gain(whole: Earned) -> KeyFigure:
    relative = f"; {whole.gain / whole.frozen:+.1%}" if whole.gain is not None and whole.frozen else ""
    return KeyFigure("above frozen", f"{whole.gain:+.4f}", f"± {whole.gain_half:.4f} a request{relative}")


def _what(record: SimulateRecord) -> str:
    return (
        f"Each point is a stretch of time: the mean {earned_in(record.unit)} of the requests with something to choose "
        f"({record.choices:,} of {record.requests:,}). The world knows what its users think of every eligible item, so "
        "what a random choice and the best one would have earned on the same requests is known, too: requests differ "
        "from day to day, and the share of the room between the two is what the service is responsible for."
        + (STILL if record.whole and record.whole.frozen is not None else "")
    )


def _shares(record: SimulateRecord) -> Figure:
    series: list[Series] = []
    still = [s for s in _drawn(record) if s.frozen is not None]
    if still:
        y = [_hundredth(s.share_of(s.frozen)) for s in still]
        series.append(Series("frozen", _minutes(still), y, REFERENCE))
    for generation, ink, group in _lines(record):
        slices = [s for s in group if s.share is not None]
        shares = [100 * (s.share or 0.0) for s in slices]
        halves = [100 * s.half / (s.oracle - s.random) for s in slices]
        ends = [(share - half, share + half) for share, half in zip(shares, halves, strict=True)]
        series.append(Series(generation, _minutes(slices), shares, ink, y_ends=ends))
    caption = "0 is a random choice, 100 the best one; whiskers are 95 % intervals."
    axes = Axis(MINUTES), Axis("share of the room, %")
    return Figure("Share of what choosing could earn", *axes, series, caption)


def _rewards(record: SimulateRecord) -> Figure:
    drawn = _drawn(record)
    series = [
        Series(word, _minutes(drawn), [getattr(s, name) for s in drawn], REFERENCE, dashed=True)
        for name, word in (("random", "random"), ("oracle", "best"))
    ]
    for generation, ink, group in _lines(record):
        series.append(Series(generation, _minutes(group), [s.earned for s in group], ink))
    axes = Axis(MINUTES), Axis(f"mean {earned_in(record.unit)}")
    return Figure("Reward between a random choice and the best", *axes, series)


def _minutes(slices: Sequence[Slice]) -> list[float]:
    return [s.seconds / 60 for s in slices]


def _drawn(record: SimulateRecord) -> list[Slice]:
    """The stretches with enough requests to say something; those cut short by a new generation have few."""
    return [s for s in record.slices if s.requests >= LEAST // 5] or list(record.slices)


def _lines(record: SimulateRecord) -> list[tuple[str, Ink, list[Slice]]]:
    """Name, colour and stretches of each generation."""
    ordered = sorted(_drawn(record), key=lambda s: (s.generation, s.seconds))
    groups = [(generation, list(group)) for generation, group in groupby(ordered, key=lambda s: s.generation)]
    return [(f"generation {g}", SERIES[place % len(SERIES)], group) for place, (g, group) in enumerate(groups)]


def _table(record: SimulateRecord) -> Table:
    heads = [Column(h, ".4f") for h in ("earned", "± 95 %", "random", "best")]
    gains = [
        Column("share of the room", ".1%"),
        Column("frozen", ".4f"),
        Column("above frozen", "+.4f"),
        Column("± 95 % of it", ".4f"),
    ]
    rows = [_row(str(g.generation), g) for g in record.generations]
    if record.whole and len(rows) > 1:
        rows.append(_row("all", record.whole))
    return Table([Column("generation"), Column("requests"), *heads, *gains], rows)


def _row(name: str, g: Earned) -> Row:
    return Row([name, g.requests, g.earned, g.half, g.random, g.oracle, g.share, g.frozen, g.gain, g.gain_half])


def _hundredth(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
