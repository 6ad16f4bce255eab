"""Rows of a log that nothing can be made of, because a cell that is needed is missing or says nothing.

They are set aside by name and number and the rest goes on, up to `MOST` of the log; with more, what is left is no
longer the traffic that was served, and the log is refused. A column that as a whole is not what the description says
refuses the log at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Bools, ContractBroken, Ints
from components.ingest.cells import Cells, amounts_of, ids_of, instants_of, lists_of, missing_in, numbers_of, wholes_of
from components.ingest.source import OutcomeColumn, Source

MOST = 0.05
"""Largest share of rows that may be set aside; that of the contracts on a window. Own choice."""

NAMED = 3
"""Rows that a fault names."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows of a log that are looked at: n as a frame, their ascending `numbers` in the log from 0; `of` how many."""

    frame: pd.DataFrame
    numbers: Ints
    of: int

    @classmethod
    def whole(cls, frame: pd.DataFrame) -> "Excerpt":
        """All rows of a log."""
        return cls(frame.reset_index(drop=True), np.arange(len(frame)), len(frame))


@dataclass(frozen=True, slots=True)
class Sound:
    """The rows that are sound and their numbers in the log; of the others how many there are and, per column, which."""

    frame: pd.DataFrame
    numbers: Ints
    set_aside: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A column, what its cells are for, and whether every row needs one."""

    column: str
    what: str
    cells: Cells
    needed: bool = False


def sound_rows(log: Excerpt, source: Source, origin: str) -> Sound:
    """The rows that can become impressions; `origin` names the log in messages.

    Looking at an excerpt tells what looking at the whole log would, if all rows that are not sound are in it, and all
    rows of requests that have several users.

    Raises
    ------
    ContractBroken
        If more than `MOST` of the log's rows cannot, or a column is not what the description says: file, column, first
        rows, count.
    """
    frame, numbers = log.frame, log.numbers
    try:
        found = [fault for check in _checks(frame, source) for fault in _faults(log, check)]
        found += _of_two_users(log, source)
    except ContractBroken as error:
        raise ContractBroken(f"{origin}, {error}") from None
    broken = np.zeros(len(frame), bool)
    for rows, _ in found:
        broken |= rows
    faults = tuple(f"{origin}, {said}" for _, said in found)
    share = broken.sum() / max(log.of, 1)
    if share > MOST:
        raise ContractBroken(
            f"{'; '.join(faults)}; {share:.1%} of the rows are unusable, {MOST:.0%} may be set aside: "
            "mend the export, or the columns that the source description names"
        )
    kept = (frame[~broken], numbers[~broken]) if broken.any() else (frame, numbers)
    return Sound(*kept, int(broken.sum()), faults)


def _checks(frame: pd.DataFrame, source: Source) -> Iterator[Check]:
    named, unit = source.columns, source.time.unit
    for column, what in ((named.user_id, "a user"), (named.item_id, "an item")):
        yield Check(column, what, _ids(frame[column]), needed=True)
    for of_its_own, what in ((named.request_id, "a request id"), (named.impression_id, "an impression id")):
        if of_its_own:
            yield Check(of_its_own, what, _ids(frame[of_its_own]), needed=True)
    yield Check(source.time.column, "a time", instants_of(frame[source.time.column], unit), needed=True)
    if named.position:
        yield Check(named.position, "a position", wholes_of(frame[named.position]), needed=True)
    if named.generation:
        yield Check(named.generation, "a generation", wholes_of(frame[named.generation]))
    if named.outcome_at:
        yield Check(named.outcome_at, "an outcome's time", instants_of(frame[named.outcome_at], unit))
    if named.eligible:
        yield Check(named.eligible, "an eligible set", lists_of(frame[named.eligible]))
    if named.propensity:
        yield Check(named.propensity, "a propensity", numbers_of(frame[named.propensity]))
    for outcome in (source.outcome, *source.measured):
        yield from _outcome_checks(frame, outcome)


def _outcome_checks(frame: pd.DataFrame, outcome: OutcomeColumn) -> Iterator[Check]:
    if outcome.grade:
        yield Check(outcome.grade, "an outcome's grade", numbers_of(frame[outcome.grade]))
    if outcome.at_least is not None:
        yield Check(outcome.column, "an outcome", numbers_of(frame[outcome.column]))
    if outcome.amounts is not None:
        yield Check(outcome.column, "an amount", amounts_of(frame[outcome.column], outcome.amounts))


def _ids(values: pd.Series) -> Cells:
    return Cells(ids_of(values).to_numpy(object), missing_in(values), np.zeros(len(values), bool), "an id")


def _faults(log: Excerpt, check: Check) -> Iterator[tuple[Bools, str]]:
    cells = check.cells
    if check.needed and cells.missing.any():
        yield cells.missing, f"column {check.column}: {_rows(log.numbers[cells.missing])} without {check.what}"
    if cells.broken.any():
        said = f"with {cells.first_broken(log.frame[check.column])} for {check.what}, allowed is {cells.allowed}"
        yield cells.broken, f"column {check.column}: {_rows(log.numbers[cells.broken])} {said}"


def _of_two_users(log: Excerpt, source: Source) -> Iterator[tuple[Bools, str]]:
    """A request is one user's; what another did would be learned as theirs."""
    column, user = source.columns.request_id, source.columns.user_id
    if column is None:
        return
    frame = log.frame
    firsts = frame.dropna(subset=[user]).drop_duplicates(column).set_index(column)[user]
    first = frame[column].map(firsts)
    other = (first.notna() & frame[user].notna() & (first != frame[user])).fillna(False).to_numpy(bool)
    if other.any():
        yield other, f"column {user}: {_rows(log.numbers[other])} of another user than the first row of the request"


def _rows(numbers: Ints) -> str:
    """Which rows, counted from 1 below the head.

    >>> _rows(np.array([1, 2]))
    '2 rows (2, 3)'
    """
    count, first = len(numbers), (numbers[:NAMED] + 1).tolist()
    if count == 1:
        return f"row {first[0]}"
    return f"{count} rows ({', '.join(map(str, first))}{', ...' if count > NAMED else ''})"
