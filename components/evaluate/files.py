"""A user's own log and target as files: Parquet or CSV in, logged decisions and arrays out.

The log, one row per shown item:

===============  ==========================================================================
request_id       text or number; rows of one request are one slate (grain: request x position)
item_id          the item shown
reward           number from 0; another column where `Reading.metric` says so
propensity       probability of the item given the prefix of the slate; empty = missing
user_id          optional, who asked: requests of one user are one observation
position         optional, from 0 (or from 1), default 0
timestamp        optional, ISO 8601 or numbers of seconds since 1970 (also named ``at``, microseconds)
generation       optional, number of the logging generation
propensity_<n>   optional, probability of the item under generation n, one column per generation that logged:
                 rows are then weighed by the mixture of those live around their time
p_drop           optional, probability with which such a request was left out of the log
===============  ==========================================================================

The target, one row per request, position and item (long form):

===============  ==========================================================================
request_id       as in the log
item_id          one of the items that could have been shown; together they are the eligible set
probability      of showing the item at this position given the logged prefix
position         optional, default 0
champion         optional, the champion's probability; without it the comparison is with what was logged
logging          optional, the logging policy's probability of every entry
q                optional, expected reward of the item by a model that never saw these rewards
x_<name>         optional, features of the item or the request, for a model fitted here
===============  ==========================================================================
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.estimated_propensity import estimated_propensity
from components.evaluate.evaluation import Propensities
from components.evaluate.file_columns import (
    DROPPED,
    EXPECTED,
    FEATURE,
    PROBABILITY,
    REWARD,
    first_broken,
    generations_of,
    instants_of,
    numbers_of,
    read_table,
    typed,
    users_of,
)
from components.evaluate.file_order import actions_of, offsets_of, ordered
from components.evaluate.file_policies import check_loggers, check_logging, check_sums, loggers_of
from components.evaluate.logged_decisions import LoggedDecisions, check_policy
from components.evaluate.reward_model import FEATURE as FEATURES
from components.evaluate.reward_model import fitted_rewards

TARGET_COLUMNS = ("request_id", "item_id", "probability")
POLICIES = {"probability": PROBABILITY, "champion": PROBABILITY, "logging": PROBABILITY, "q": EXPECTED}

ALONE = (
    "no column user_id in the log: every request is taken for a user of its own; where users come back, intervals "
    "are too narrow"
)
UNBOUNDED = (
    "the largest possible reward is not known (--range): no interval ends at it, and no estimator shrinks its weights"
)
AS_LOGGED = "no column champion in the target: the challenger is compared with what was logged"
ESTIMATED = (
    "PROPENSITIES ARE ESTIMATED, NOT RECORDED: whatever the logger knew of a user or a moment and item shares do not "
    "is a bias that no interval here contains"
)


@dataclass(frozen=True)
class Reading:
    """How the files are to be read.

    Attributes
    ----------
    metric : column of the log that is the reward.
    value_range : smallest and largest reward of one position; None where no largest is known.
    fit : whether a cross-fitted reward model is made here (`components.evaluate.reward_model`).
    estimate_propensities : whether propensities are estimated; every recorded one is then left unread.
    """

    metric: str = "reward"
    value_range: tuple[float, float] | None = None
    fit: bool = False
    estimate_propensities: bool = False

    @property
    def log_columns(self) -> tuple[str, ...]:
        """Columns that the log must have."""
        propensity = () if self.estimate_propensities else ("propensity",)
        return ("request_id", "item_id", self.metric, *propensity)


@dataclass(frozen=True)
class Evaluable:
    """A log with what is to be evaluated on it: `target` (nnz,), `champion` and `q` (nnz,) or None.

    `item` (nnz,) is a code of each entry's item. `warnings` are what a reader must know before believing a figure.
    """

    log: LoggedDecisions
    target: Doubles
    champion: Doubles | None
    q: Doubles | None
    item: Ints
    value_range: tuple[float, float] = (0.0, np.inf)
    propensities: Propensities = "recorded"
    warnings: tuple[str, ...] = ()


def read_evaluable(log: Path, target: Path, reading: Reading | None = None) -> Evaluable:
    """Both files as arrays.

    Raises
    ------
    ContractBroken
        For a missing file, column or row, with file, row and column named; one line.
    """
    reading = reading or Reading()
    return evaluable(read_table(log, reading.log_columns), read_table(target, TARGET_COLUMNS), reading)


def evaluable(log: pd.DataFrame, target: pd.DataFrame, reading: Reading | None = None) -> Evaluable:
    """As `read_evaluable`, from frames.

    >>> log = pd.DataFrame({"request_id": [1, 2], "item_id": ["a", "b"], "reward": [1, 0], "propensity": [0.5, 0.5]})
    >>> target = pd.DataFrame({"request_id": [1, 1, 2, 2], "item_id": list("abab"), "probability": [0.8, 0.2] * 2})
    >>> evaluable(log, target).target
    array([0.8, 0.2, 0.8, 0.2])
    """
    reading = reading or Reading()
    if reading.fit and "q" in target:
        raise ContractBroken("the target has column q, and a model is to be fitted; leave one out")
    rows, entries = ordered(_log(log, reading), _target(target, fit=reading.fit))
    decisions = _decisions(rows, entries, reading)
    item = pd.factorize(entries["item_id"])[0].astype(np.int64)
    if reading.estimate_propensities:
        decisions = replace(decisions, propensity=estimated_propensity(decisions, item))
    for column in ("probability", "champion", "logging"):
        if column in entries:
            check_sums(entries, decisions.offsets, column)
            check_policy(decisions, entries[column].to_numpy(float), column)
    check_logging(entries, decisions)
    champion = entries["champion"].to_numpy(float) if "champion" in entries else None
    q = entries["q"].to_numpy(float) if "q" in entries else None
    return Evaluable(
        decisions,
        entries["probability"].to_numpy(float),
        champion,
        fitted_rewards(decisions, entries) if reading.fit else q,
        item,
        reading.value_range or (0.0, np.inf),
        "propensity_estimated" if reading.estimate_propensities else "recorded",
        _warnings(decisions, champion, reading),
    )


def _warnings(log: LoggedDecisions, champion: Doubles | None, reading: Reading) -> tuple[str, ...]:
    told = {
        ESTIMATED: reading.estimate_propensities,
        ALONE: log.user is None,
        AS_LOGGED: champion is None,
        UNBOUNDED: reading.value_range is None,
    }
    return tuple(line for line, holds in told.items() if holds)


def _log(log: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    rows = typed(log, reading.log_columns, "log")
    rows["reward"] = numbers_of(rows, reading.metric, "log", REWARD)
    if reading.value_range is not None:
        low, high = reading.value_range
        reward = rows["reward"].to_numpy()
        line = f"log, row {{}}, column {reading.metric}: {{:g}}; the range given is {low:g} to {high:g}"
        first_broken((reward < low) | (reward > high), reward, line)
    if reading.estimate_propensities:
        rows["propensity"] = np.nan
    else:
        rows["propensity"] = numbers_of(rows, "propensity", "log", None)
        rows = check_loggers(rows)
    if "p_drop" in rows:
        rows["p_drop"] = numbers_of(rows, "p_drop", "log", DROPPED)
    if len(rows) == 1:
        raise ContractBroken("log: row 0 is the only decision; an interval needs two or more")
    return rows


def _target(target: pd.DataFrame, *, fit: bool) -> pd.DataFrame:
    entries = typed(target, TARGET_COLUMNS, "target")
    for column, within in POLICIES.items():
        if column in entries:
            entries[column] = numbers_of(entries, column, "target", within)
    for column in [str(c) for c in entries.columns if fit and str(c).startswith(FEATURES)]:
        if pd.api.types.is_numeric_dtype(entries[column]):
            numbers_of(entries, column, "target", FEATURE)
    return entries


def _decisions(rows: pd.DataFrame, entries: pd.DataFrame, reading: Reading) -> LoggedDecisions:
    offsets = offsets_of(rows, entries)
    loggers = None if reading.estimate_propensities else loggers_of(rows)
    recorded = "logging" in entries and not reading.estimate_propensities
    return LoggedDecisions(
        request=rows["request"].to_numpy(),
        position=rows["position"].to_numpy(),
        offsets=offsets,
        action=actions_of(rows, entries),
        propensity=rows["propensity"].to_numpy(float),
        reward=rows["reward"].to_numpy(float),
        at=instants_of(rows),
        logger=generations_of(rows),
        p_drop=rows["p_drop"].to_numpy(float) if "p_drop" in rows else None,
        logging=entries["logging"].to_numpy(float) if recorded else None,
        logger_propensity=None if loggers is None else loggers.propensity,
        logger_share=None if loggers is None else loggers.share,
        user=users_of(rows),
    )
