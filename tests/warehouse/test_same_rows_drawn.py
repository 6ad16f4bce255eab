"""Logs that nobody wrote by hand: drawn cells, sound and not, leave the same rows and the same words either way."""

import csv
import gzip
import io
import random
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from components.domain import ContractBroken
from flows.workspace import enter
from tests.warehouse.test_same_rows import WAYS, Case, S, contents, described, of

NAN, INF = float("nan"), float("inf")
LETTERS = string.printable + "äß\u00a0\u0085\u2028\u2029€😀|\\\"';,\t"
RARELY = 0.03
Cells = list[object]


def word(dice: random.Random) -> str:
    return "".join(dice.choice(LETTERS) for _ in range(dice.randint(1, 6)))


def spoiled(cells: Cells, wrong: Cells, dice: random.Random) -> Cells:
    """Cells of which, in some logs, a few say nothing."""
    rate = dice.choice([0, 0, RARELY])
    return [dice.choice(wrong) if dice.random() < rate else cell for cell in cells]


def ids(rows: int, dice: random.Random) -> Cells:
    if dice.random() < 0.5:
        return spoiled([dice.randint(-3, 2 ** dice.choice([3, 60])) for _ in range(rows)], [None], dice)
    few = [word(dice) for _ in range(8)]
    return spoiled([dice.choice(few) for _ in range(rows)], [None, "", "  ", "\u00a0", "!", "\t"], dice)


def times(rows: int, unit: str, dice: random.Random) -> object:
    at = [S + dice.randint(-(10**6), 10**6) for _ in range(rows)]
    if unit == "iso":
        kind = dice.choice(["text", "us", "ns"])
        if kind == "text":
            text = pa.array(at, pa.timestamp("s")).cast(pa.string()).to_pylist()
            ends = ["", "Z", ".5+02:00", ".123456"]
            return spoiled([t + dice.choice(ends) for t in text], ["noon", None, "", "2300-01-01", "2020-02-30"], dice)
        return pa.array(at, pa.timestamp("s")).cast(pa.timestamp(kind))
    scale = {"s": 1, "ms": 10**3, "us": 10**6}[unit]
    return spoiled([t * scale + dice.randint(0, scale - 1) for t in at], [None, -1, 2**62], dice)


def numbers(rows: int, dice: random.Random) -> Cells:
    return spoiled([dice.choice([0.5, 0.25, 1.0, 1e-300, None]) for _ in range(rows)], [INF, NAN, -INF, None], dice)


def lists(rows: int, dice: random.Random) -> Cells:
    if dice.random() < 0.5:
        return spoiled([dice.choice(["a|b", "a", "", None]) for _ in range(rows)], ["a||b", "|", "a|a"], dice)
    return spoiled([dice.choice([["a", "b"], [], None]) for _ in range(rows)], [["a", None], ["a", "a"], [""]], dice)


def texts(rows: int, dice: random.Random) -> Cells:
    return [dice.choice([word(dice), "x", "", None]) for _ in range(rows)]


def drawn(dice: random.Random) -> Case:
    rows, unit = dice.choice([1, 2, 40, 200]), dice.choice(["s", "ms", "us", "iso"])
    log: dict[str, object] = {"who": ids(rows, dice), "what": ids(rows, dice), "when": times(rows, unit, dice)}
    columns, fields = {}, []
    if dice.random() < 0.5:
        log["call"], columns["request_id"] = spoiled([n // 3 for n in range(rows)], [None, 0], dice), "call"
        if dice.random() < 0.7:  # most requests are of one user
            log["who"] = [dice.choice([who, who, None]) for who in [*map(str, range(rows))]]
            log["who"] = spoiled([f"u{n // 3}" for n in range(rows)], ["", None, "u0", " "], dice)
    if dice.random() < 0.3:
        log["imp"], columns["impression_id"] = spoiled([n // 2 for n in range(rows)], [None, 1], dice), "imp"
    for key, name, make in (
        ("propensity", "p", numbers),
        ("eligible", "could", lists),
        ("position", "slot", lambda n, d: spoiled([float(i % 3) for i in range(n)], [0.5, None, NAN, 2.0**40], d)),
        ("generation", "g", lambda n, d: spoiled([d.choice([1, None]) for _ in range(n)], [2**40, -(2**31)], d)),
    ):
        if dice.random() < 0.4:
            log[name], columns[key] = make(rows, dice), name
    if dice.random() < 0.3:
        log["then"], columns["outcome_at"] = times(rows, unit, dice), "then"
    outcome = dice.choice(
        [{"equals": 1}, {"at_least": 2}, {"reward": "amount", "range": [0.0, 3.0]}, {"one_of": [1, 3]}]
    )
    log["did"] = spoiled([dice.choice([0, 1, 2, 3, None]) for _ in range(rows)], [-1, 4], dice)
    for name, whose in (("ctx", "context"), ("age", "user"), ("kind", "item")):
        if dice.random() < 0.5:
            log[name] = texts(rows, dice)
            fields.append(of(name, dice.choice(["categorical", "multi"]), whose, width=2))
    return Case(log, columns, unit, outcome, fields=tuple(fields))


def save(case: Case, folder: Path, ending: str, dice: random.Random) -> Path:
    table = pa.table(case.log)
    path = folder / f"log.{ending}"
    if ending == "parquet":
        pa_parquet.write_table(table, path, row_group_size=dice.choice([7, 1000]))
        return path
    flat = io.BytesIO()
    nested = [name for name in table.column_names if pa.types.is_nested(table[name].type)]
    for name in nested:
        said = [None if cell is None else "|".join(part or "" for part in cell) for cell in table[name].to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(said, pa.string()))
    pa_csv.write_csv(table, flat)
    rows = csv.reader(io.StringIO(flat.getvalue().decode(), newline=""))
    written = io.StringIO(newline="")
    ends = dice.choice(["\n", "\r\n"])
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(written, delimiter=dice.choice(",;\t|"), lineterminator=ends, quoting=quoting).writerows(rows)
    content = written.getvalue().encode(dice.choice(["utf-8", "utf-8-sig", "utf-16"]))
    path.write_bytes(gzip.compress(content) if dice.random() < 0.3 else content)
    return path


def left(way: object, home: Path, log: Path, description: Path) -> object:
    """What one way says, and leaves."""
    try:
        batch = way(enter(home), log, description)  # type: ignore[operator]
    except ContractBroken as broken:
        assert not enter(home).database.exists()
        return str(broken)
    return batch, contents(enter(home))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(s, marks=pytest.mark.long) for s in range(12, 150))])
def test_a_drawn_log_leaves_the_same_rows_and_the_same_words_either_way(seed: int, ending: str, tmp_path: Path) -> None:
    dice = random.Random(seed)
    case = drawn(dice)
    log, description = save(case, tmp_path, ending, dice), tmp_path / "tiny.toml"
    description.write_text(described(case))
    engine, careful = (left(way, tmp_path / way.__name__, log, description) for way in WAYS)  # type: ignore[attr-defined]
    assert repr(engine) == repr(careful)
