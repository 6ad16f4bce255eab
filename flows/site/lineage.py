"""Who was made from whom, and what became of each: the family tree, the table of turns, the moves of the pointer."""

from components.domain import iso
from components.pages.blocks import Badge, Block, Cell, Column, Folded, Lineage, Link, Row, Section, Table, Text, Tone
from components.pages.lineage import Member, Move
from components.pages.turn_pages import WORDS, TurnPage
from components.publish.pointer import ReleaseKind
from flows.site.history import History, SiteTurn
from flows.turn import ValueRecord
from warehouse.records import JudgedGeneration

TONES = {"PROMOTE": Tone.OK, "HOLD": Tone.WARN, "ROLL_BACK": Tone.BAD}
MOVED = (ReleaseKind.ROLL_BACK, ReleaseKind.RE_PROMOTE)
SHOWN = (TurnPage.VALIDATION, TurnPage.DRIFT, TurnPage.EVALUATION, TurnPage.EVIDENTLY)
CAPTION = (
    "From left to right in the order they were made; a line goes from the champion a generation was made against. "
    "Above: who answered everybody once. Below: who was held, or serves some users first. Dashed arcs are moves of the "
    "champion pointer back, or forward by hand."
)


def lineage_section(history: History) -> Section:
    """The tree, the table with one row per turn, newest first, and every move of the pointer."""
    members = [Member(g.generation, g.parent, _state(history, g.generation), _note(g)) for g in history.generations]
    moves = [
        Move(r.previous, r.generation, f"{r.kind}: {r.reason}")
        for r in history.releases
        if r.previous is not None and r.kind in MOVED
    ]
    blocks: list[Block] = [_turns(history), _releases(history)]
    if members:
        blocks.insert(0, Lineage("Family tree of the generations", members, moves, CAPTION))
    return Section("Generations", blocks, "generations")


def _state(history: History, generation: int) -> str:
    if generation == history.champion:
        return "champion"
    if generation == history.canary:
        return "canary"
    if any(r.kind == ReleaseKind.ROLL_BACK and r.previous == generation for r in history.releases):
        return "rolled_back"
    return "released" if generation in history.released else "held"


def _note(g: JudgedGeneration) -> str:
    return f"generation {g.generation}, {iso(g.cutoff)[:10]}, {g.verdict or 'not judged'}: {'; '.join(g.reasons or ())}"


def _turns(history: History) -> Table:
    number = Column("generation", numeric=False)
    heads: list[Column | str] = [number, "verdict", "turn to, UTC", "now", "value", "pages", "why", "parent"]
    rows = [_row(history, turn) for turn in reversed(history.turns)]
    caption = (
        "One row per turn, newest first. Value: expected of the challenger, with its 95 % interval, before it answered "
        "anybody; of a generation whose bundle was pruned the ledger keeps everything that stands here."
    )
    return Table(heads, rows, caption, "No turn has been finished yet.")


def _row(history: History, turn: SiteTurn) -> Row:
    made, record = turn.made, turn.record
    number = None if made is None else made.generation
    pages = tuple(Link(WORDS[p], f"{_folder(turn)}/{p.file}") for p in SHOWN if p.file in turn.pages)
    cells: list[Cell] = [
        "none made" if number is None else number,
        Badge(record.verdict, TONES[record.verdict]),
        _day(turn.kept.cutoff),
        _now(history, number),
        _value(record.value),
        pages or None,
        Folded.of(record.reasons),
        None if made is None else made.parent,
    ]
    return Row(cells, Tone.OK if number == history.champion else Tone.PLAIN, "" if number is None else f"g{number}")


def _value(value: ValueRecord) -> str | None:
    if value.estimate is None or value.lower is None or value.upper is None:
        return None
    return f"{value.estimate:.3f} ({value.lower:.3f} to {value.upper:.3f})"


def _day(instant: int) -> str:
    """An instant to the minute, or the day where it is midnight."""
    return iso(instant)[:16].replace("T", " ").removesuffix(" 00:00")


def _folder(turn: SiteTurn) -> str:
    return f"turns/{turn.kept.cutoff}"


def _now(history: History, generation: int | None) -> Cell:
    if generation is None:
        return None
    if generation == history.champion:
        return Badge("champion", Tone.OK)
    if generation == history.canary:
        return Badge("canary")
    return "" if generation in history.bundles else "bundle pruned"


def _releases(history: History) -> Table:
    rows = [
        [r.release, r.kind, r.generation, r.previous, _day(r.cutoff) if r.cutoff else "by hand", _why(r.reason)]
        for r in reversed(history.releases)
    ]
    heads: list[Column | str] = ["release", "kind", "generation", "before", "turn to, UTC", "why"]
    return Table(heads, rows, "Every move of the champion pointer, newest first.")


def _why(reason: str) -> Folded | None:
    return Folded.of(reason.split("; "))


def aside_section(history: History) -> Section:
    """Windows that the loop refused to learn."""
    rows = [Row([iso(a.start), iso(a.cutoff), a.state, Folded.of(a.reasons)], Tone.WARN) for a in history.aside]
    text = Text(["Windows that contradicted the champion beyond chance: nothing was learned from them."])
    return Section("Windows set aside", [text, Table(["from, UTC", "to, UTC", "now", "why"], rows)], "aside")
