"""What a user's files say of policies: who logged, with which probabilities, and who is champion."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles
from components.evaluate.file_columns import PROBABILITY, generations_of, numbers_of
from components.evaluate.logged_decisions import SUM_TOLERANCE, LoggedDecisions

LOGGER = re.compile(r"propensity_(\d+)")
AGREE = 1e-4
"""Relative distance at which two columns that say one probability still agree: they may be rounded."""


@dataclass(frozen=True)
class Loggers:
    """`propensity` (n, G) of the shown entry under each of G loggers, and their `share` (G,) of the log's rows."""

    propensity: Doubles
    share: Doubles


def loggers_of(rows: pd.DataFrame) -> Loggers | None:
    """The loggers of the columns ``propensity_<n>``, n the number of a generation; None where there are none.

    Raises
    ------
    ContractBroken
        Where a logger has no column, or the column of the one that logged a row contradicts `propensity`.
    """
    numbers = sorted(int(found[1]) for c in rows.columns if (found := LOGGER.fullmatch(str(c))))
    if not numbers:
        return None
    if "generation" not in rows:
        raise ContractBroken(f"the log has column propensity_{numbers[0]} but lacks column generation: who logged?")
    logger = generations_of(rows)
    absent = sorted(set(logger.tolist()) - set(numbers))
    if absent:
        raise ContractBroken(f"the log lacks column propensity_{absent[0]}; generation {absent[0]} logged, too")
    logged = [n for n in numbers if n in set(logger.tolist())]
    each = np.stack([rows[f"propensity_{n}"].to_numpy(float) for n in logged], axis=1)
    own = each[np.arange(len(rows)), np.searchsorted(logged, logger)]
    said = rows["propensity"].to_numpy(float)
    apart = np.flatnonzero(np.abs(own - said) > AGREE * np.maximum(own, said))
    if len(apart):
        at = apart[np.argmin(rows["row"].to_numpy()[apart])]
        raise ContractBroken(
            f"log, row {rows['row'].iloc[at]}, column propensity: {said[at]:g}; propensity_{logger[at]}, of the "
            f"generation that logged it, says {own[at]:g} ({len(apart)} such rows)"
        )
    return Loggers(each, np.array([(logger == n).mean() for n in logged]))


def check_loggers(log: pd.DataFrame) -> pd.DataFrame:
    """The log with its ``propensity_<n>`` as numbers, in the order of the file."""
    for column in [str(c) for c in log.columns if LOGGER.fullmatch(str(c))]:
        log[column] = numbers_of(log, column, "log", PROBABILITY)
    return log


def check_sums(entries: pd.DataFrame, offsets: np.ndarray, column: str) -> None:
    """Probabilities of one decision sum to 1; names the first row of the file that belongs to one that does not."""
    sums = np.add.reduceat(entries[column].to_numpy(float), offsets[:-1])
    off = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if len(off):
        of = entries.iloc[offsets[off[0]] : offsets[off[0] + 1]]
        row, request, position = int(of["row"].min()), of["request_id"].iloc[0], int(of["position"].iloc[0])
        raise ContractBroken(
            f"target, row {row}, column {column}: over the eligible set of request {request}, position {position}, "
            f"it sums to {sums[off[0]]:.6g}; allowed is 1 ({len(off)} such decisions)"
        )


def check_logging(entries: pd.DataFrame, log: LoggedDecisions) -> None:
    """The logger's whole distribution says the propensity of what it showed."""
    if log.logging is None:
        return
    if log.logger_propensity is not None:
        raise ContractBroken(
            "the target has column logging, the log propensity_<n>: several loggers are weighed by what each would "
            "have done; leave one out"
        )
    said = log.logging[log.action]
    apart = np.flatnonzero(np.abs(said - log.propensity) > AGREE * np.maximum(said, log.propensity))
    if len(apart):
        row = int(entries["row"].iloc[int(log.action[apart[0]])])
        raise ContractBroken(
            f"target, row {row}, column logging: {said[apart[0]]:g}; the log says propensity "
            f"{log.propensity[apart[0]]:g} of the same choice ({len(apart)} such rows)"
        )
