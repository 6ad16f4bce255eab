"""What breaks a log between the service and the warehouse: one function per case, each a mishap that teams have had.

A mishap gets the tables of one period as they were logged and returns others; it never changes what it was given.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from components.domain import DAY, SECOND
from components.ingest.interactions import LogTables
from components.schema import TABLES

Mishap = Callable[[LogTables, np.random.Generator], LogTables]

BOT_SHARE = 0.3
"""Of the impressions of a window that one user makes."""


def as_logged(log: LogTables, dice: np.random.Generator) -> LogTables:
    """Nothing: the clean control."""
    return log


def outcomes_inverted(log: LogTables, dice: np.random.Generator) -> LogTables:
    """Yes is no: a column was turned round."""
    return _with_outcomes(log, reward=1 - log.outcomes["reward"], grade=_turned(log.outcomes["grade"]))


def third_inverted(log: LogTables, dice: np.random.Generator) -> LogTables:
    """One of three clients tells the outcomes the wrong way round."""
    theirs = dice.random(len(log.outcomes)) < 1 / 3
    turned = outcomes_inverted(log, dice).outcomes
    return _with_outcomes(
        log, **{name: log.outcomes[name].where(~theirs, turned[name]) for name in ("reward", "grade")}
    )


def outcomes_joined_wrongly(log: LogTables, dice: np.random.Generator) -> LogTables:
    """Outcomes are those of other impressions: a broken join."""
    order = dice.permutation(len(log.outcomes))
    return _with_outcomes(log, **{name: log.outcomes[name].to_numpy()[order] for name in ("reward", "grade")})


def all_rewarded(log: LogTables, dice: np.random.Generator) -> LogTables:
    """Every outcome is a success: a page that counts itself."""
    return _with_outcomes(log, reward=1.0)


def none_rewarded(log: LogTables, dice: np.random.Generator) -> LogTables:
    """No outcome is a success: a client that went silent."""
    return _with_outcomes(log, reward=0.0)


def one_bot(log: LogTables, dice: np.random.Generator) -> LogTables:
    """One user makes a third of the window, and likes whatever is shown."""
    wanted = round(len(log.requests) * BOT_SHARE / (1 - BOT_SHARE))
    again = _again(log, dice.choice(len(log.requests), wanted), "bot")
    requests = again.requests.assign(user_id="bot")
    return _joined(log, replace(again, requests=requests, outcomes=again.outcomes.assign(reward=1.0)))


def traffic_twice(log: LogTables, dice: np.random.Generator) -> LogTables:
    """Every request was delivered again, a second later, under another id."""
    return _joined(log, _later(_again(log, np.arange(len(log.requests)), "again"), SECOND))


def propensities_constant(log: LogTables, dice: np.random.Generator) -> LogTables:
    """The logger writes one propensity for all."""
    return replace(log, impressions=log.impressions.assign(propensity=0.5))


def propensities_permuted(log: LogTables, dice: np.random.Generator) -> LogTables:
    """The logger writes the propensities of other impressions."""
    mixed = dice.permutation(log.impressions["propensity"].to_numpy())
    return replace(log, impressions=log.impressions.assign(propensity=mixed))


def items_are_users(log: LogTables, dice: np.random.Generator) -> LogTables:
    """The item's column holds the user's id."""
    user = log.requests.set_index("request_id")["user_id"]
    impressions = log.impressions.assign(item_id=log.impressions["request_id"].map(user))
    return replace(log, impressions=impressions, requests=log.requests.assign(eligible=None))


def users_empty(log: LogTables, dice: np.random.Generator) -> LogTables:
    """The user's column holds a placeholder."""
    return replace(log, requests=log.requests.assign(user_id="undefined"))


def clock_behind(log: LogTables, dice: np.random.Generator) -> LogTables:
    """For half of the window the clock of what shows was a day ahead of the clock of what counts."""
    instants = log.requests["at"]
    half = set(log.requests["request_id"][instants >= instants.median()])
    outcomes = log.outcomes["impression_id"].map(log.impressions.set_index("impression_id")["request_id"]).isin(half)
    moved = log.outcomes["outcome_at"].where(~outcomes, log.outcomes["outcome_at"] - DAY)
    return replace(log, outcomes=log.outcomes.assign(outcome_at=moved))


def _with_outcomes(log: LogTables, **columns: pd.Series | np.ndarray | float) -> LogTables:
    return replace(log, outcomes=log.outcomes.assign(**columns))


def _turned(grade: pd.Series) -> pd.Series:
    return grade.max() + grade.min() - grade


def _again(log: LogTables, requests: np.ndarray, mark: str) -> LogTables:
    """Requests by number, as often as they are named, under ids of their own."""
    copies = log.requests.iloc[requests].reset_index(drop=True)
    names = pd.DataFrame({"request_id": copies["request_id"], "copy": [f"{mark}-{n}" for n in range(len(copies))]})
    impressions = log.impressions.merge(names, on="request_id")
    fresh = impressions["copy"] + "|" + impressions["position"].astype(str)
    renamed = pd.DataFrame({"impression_id": impressions["impression_id"], "fresh": fresh})
    outcomes = log.outcomes.merge(renamed, on="impression_id")
    return LogTables(
        copies.assign(request_id=names["copy"]),
        impressions.assign(impression_id=fresh, request_id=impressions["copy"]).drop(columns="copy"),
        outcomes.assign(impression_id=outcomes["fresh"]).drop(columns="fresh"),
    )


def _later(log: LogTables, by: int) -> LogTables:
    return LogTables(
        log.requests.assign(at=log.requests["at"] + by),
        log.impressions.assign(at=log.impressions["at"] + by),
        log.outcomes.assign(outcome_at=log.outcomes["outcome_at"] + by),
    )


def _joined(log: LogTables, more: LogTables) -> LogTables:
    tables = {name: pd.concat([getattr(log, name), getattr(more, name)], ignore_index=True) for name in TABLES}
    return replace(log, **tables)
