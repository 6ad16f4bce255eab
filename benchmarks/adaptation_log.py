"""A log as examples and rewards in the order of time, whatever its columns; bad logs get one line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import DAY, HOUR, WEEK, ContractBroken, Ints, Matured
from components.feature_spec import FeatureSpec, FieldKind, FieldOf
from components.ingest.log_rows import field_values, grade_of, instants, reward_of
from components.ingest.read_log import read_log
from components.ingest.source import Source, read_source
from components.ranker.features import CLOCK_FIELDS, RECENT, Attributes, Encoder

SOURCES = Path(__file__).parent.parent / "warehouse" / "sources"


@dataclass(frozen=True, slots=True)
class Log:
    """n examples with their rewards, by time; the first `pretrain` of them come before the stretch that is reported."""

    name: str
    spec: FeatureSpec
    data: Matured
    user: Ints
    pretrain: int

    def __len__(self) -> int:
        return len(self.data)


def span(text: str) -> int:
    """Microseconds of a span such as ``8w``, ``4d`` or ``12h``.

    >>> span("2d") == 2 * DAY
    True
    """
    unit = {"w": WEEK, "d": DAY, "h": HOUR}.get(text[-1:])
    try:
        length = float(text[:-1]) * (unit or 0)
    except ValueError:
        length = 0.0
    if length <= 0:
        raise ContractBroken(f"received span {text!r}; allowed are positive weeks, days, hours such as 8w, 4d, 12h")
    return int(length)


def read(source: str, data: Path | None, pretrain: str | None) -> Log:
    """The log of a source by name or by the path of its description.

    Raises
    ------
    ContractBroken
        Unknown source, missing file or column, times out of order, one class only, too short; one line.
    """
    path = Path(source) if source.endswith(".toml") else SOURCES / f"{source}.toml"
    if not path.exists():
        raise ContractBroken(f"no source {source!r}; allowed are {_shipped()}, or the path of a .toml description")
    described = read_source(path)
    origin = data or (path.parent / described.path if described.path else None)
    if origin is None:
        raise ContractBroken(f"source {described.name} ships no log; give its path with --data")
    return examples(described, read_log(origin), path.parent, str(origin), span(pretrain or described.pretrain))


def examples(source: Source, frame: pd.DataFrame, folder: Path, origin: str, pretrain: int) -> Log:
    """The rows of `frame` with an outcome, encoded; side tables are read from `folder`."""
    _require(source, frame, origin)
    reward = reward_of(frame[source.outcome.column], source, origin).to_numpy(np.float32)
    frame, reward = frame[~np.isnan(reward)], reward[~np.isnan(reward)]
    grade = grade_of(frame, source, origin)
    _both(reward, source, origin)
    at = instants(frame[source.time.column], source.time.unit, origin)
    late = np.flatnonzero(np.diff(at) < 0)
    if len(late):
        row = int(late[0]) + 1
        raise ContractBroken(f"{origin}, row {row}: {source.time.column} goes back in time; sort the log by it")
    user, item = (frame[c].astype(str).to_numpy() for c in (source.columns.user_id, source.columns.item_id))
    encoder = Encoder(
        source.spec,
        _attributes(source, frame, folder, FieldOf.USER, source.columns.user_id),
        _attributes(source, frame, folder, FieldOf.ITEM, source.columns.item_id),
    )
    context = {
        f.name: field_values(frame, f).to_numpy()
        for f in source.fields
        if f.of is FieldOf.CONTEXT and (f.column or f.name) in frame
    }
    before = int(np.searchsorted(at, at[0] + pretrain))
    if before >= len(at):
        raise ContractBroken(f"{origin} ends before its pre-training stretch does; allowed is a shorter --pretrain")
    _both(reward[:before], source, f"{origin}, pre-training stretch")
    return Log(
        source.name,
        source.spec,
        Matured(encoder.encode(user, item, at, context), reward, grade.astype(np.float32)),
        pd.factorize(user)[0].astype(np.int64),
        before,
    )


def _both(reward: np.ndarray, source: Source, where: str) -> None:
    if len(reward) == 0 or reward.min() == reward.max():
        only = "no outcomes" if len(reward) == 0 else f"only outcomes of reward {reward[0]:.0f}"
        raise ContractBroken(f"{where}, column {source.outcome.column}: {only}; both 0 and 1 are needed to learn from")


def _require(source: Source, frame: pd.DataFrame, origin: str) -> None:
    columns = [source.columns.user_id, source.columns.item_id, source.time.column, source.outcome.column]
    columns += [source.outcome.grade] if source.outcome.grade else []
    for field in source.fields[2:]:
        beside = {FieldOf.ITEM: source.items, FieldOf.USER: source.users}.get(field.of)
        if beside is None and field.name not in (*CLOCK_FIELDS, RECENT):
            columns.append(field.column or field.name)
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ContractBroken(f"{origin} lacks column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")


def _attributes(source: Source, frame: pd.DataFrame, folder: Path, of: FieldOf, id_column: str) -> Attributes:
    table = {FieldOf.USER: source.users, FieldOf.ITEM: source.items}[of]
    rows = read_log(folder / table.path) if table else frame
    rows = rows.drop_duplicates(table.key if table else id_column, keep="last")
    values = {"id": rows[table.key if table else id_column].astype(str)}
    for field in source.fields:
        if field.of is of and not (field.kind is FieldKind.ID and field.name == of.value):
            values[field.name] = field_values(rows, field)
    return Attributes.build(pd.DataFrame(values), "id", source.spec, of)


def _shipped() -> str:
    return ", ".join(sorted(p.stem for p in SOURCES.glob("*.toml")))
