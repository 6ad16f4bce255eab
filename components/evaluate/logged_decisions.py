"""Logged decisions as one typed, ragged table: what every estimator reads.

A row is one decision: one position of one slate. The entries still eligible at that
position are a CSR list, so that memory grows with the number of eligible entries and
never with rounds x actions. Policies and reward models are plain arrays over the entries.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from components.domain import Bools, ContractBroken, Doubles, Ints

SUM_TOLERANCE = 1e-6
"""How far a policy's probabilities over one eligible set may sum from 1 (float32 softmax errs by 1e-7)."""


@dataclass(frozen=True)
class LoggedDecisions:
    """n decisions with nnz eligible entries, of m requests answered by one to G loggers.

    Attributes
    ----------
    request : (n,) int64, id of the request; rows of one request are consecutive.
    position : (n,) int64, position in the slate, from 0, ascending by 1 within a request.
    offsets : (n + 1,) int64, row i's eligible entries are ``offsets[i]:offsets[i + 1]``: those
        still eligible given the prefix of the slate.
    action : (n,) int64, absolute index of the entry that was shown.
    propensity : (n,) float64, probability of that entry under the logging policy given the
        prefix, recorded at decision time; nan if missing. Values outside (0, 1] are no error
        here: the diagnostics refuse them with a reason.
    reward : (n,) float64, not negative.
    at : (n,) int64, microseconds.
    logger : (n,) int64, generation that logged the decision.
    p_drop : (n,) float64 in [0, 1) or None: probability with which a request like this one
        was left out of the log; the same for all rows of a request.
    logging : (nnz,) float64 or None: the logging policy's whole distribution, where it was
        recorded; makes the unsupported mass exact.
    logger_propensity : (n, G) float64 or None: propensity of the shown entry under each of
        G loggers, in the order of their numbers in `logger`, for balanced weights.
    logger_share : (G,) float64 or None: shares of the loggers, summing to 1; read where `logger` does not tell
        G of them apart.
    user : (n,) int64 or None: who asked, the same for all rows of a request. Requests of one user are one
        observation to every interval; None takes each request for a user of its own.

    Raises
    ------
    ContractBroken
        For a table that means nothing: empty, a reward that is nan, infinite or negative,
        an action outside its eligible set, columns of unequal length; names row and column.
    """

    request: Ints
    position: Ints
    offsets: Ints
    action: Ints
    propensity: Doubles
    reward: Doubles
    at: Ints
    logger: Ints
    p_drop: Doubles | None = None
    logging: Doubles | None = None
    logger_propensity: Doubles | None = None
    logger_share: Doubles | None = None
    user: Ints | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                kind = np.int64 if field.type in (Ints, Ints | None) else np.float64
                object.__setattr__(self, field.name, np.asarray(value, kind))
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        return len(self.request)

    @property
    def entries(self) -> int:
        """nnz, the number of eligible entries of all rows."""
        return int(self.offsets[-1])

    @cached_property
    def eligible(self) -> Ints:
        """(n,) number of eligible entries of each row."""
        return np.diff(self.offsets)

    @cached_property
    def starts(self) -> Ints:
        """(m,) first row of each request."""
        new = np.empty(len(self), bool)
        new[0] = True
        np.not_equal(self.request[1:], self.request[:-1], out=new[1:])
        return np.flatnonzero(new)

    @property
    def positions(self) -> Ints:
        """(m,) number of positions of each request."""
        return np.diff(np.append(self.starts, len(self)))

    @property
    def requests(self) -> int:
        """m, the number of requests."""
        return len(self.starts)

    @cached_property
    def cluster(self) -> Ints | None:
        """(m,) code of each request's user, from 0 without gaps; None where every request has a user of its own."""
        if self.user is None:
            return None
        known, code = np.unique(self.user[self.starts], return_inverse=True)
        return None if len(known) == self.requests else code.astype(np.int64)

    @cached_property
    def users(self) -> int:
        """C, the number of users."""
        return self.requests if self.cluster is None else int(self.cluster.max()) + 1

    @property
    def single(self) -> bool:
        """Whether every request has one decision."""
        return self.requests == len(self)

    @cached_property
    def row_of_entry(self) -> Ints:
        """(nnz,) row that owns each entry."""
        return np.repeat(np.arange(len(self)), self.eligible)

    def per_row(self, over_entries: Doubles) -> Doubles:
        """(n,) sums of an (nnz,) array over each row's eligible entries."""
        return np.add.reduceat(over_entries, self.offsets[:-1])

    def per_request(self, over_rows: Doubles) -> Doubles:
        """(m,) sums of an (n,) array over each request's positions."""
        return over_rows if self.single else np.add.reduceat(over_rows, self.starts)

    def running_product(self, over_rows: Doubles) -> Doubles:
        """(n,) products of an (n,) array over the positions of the request up to and including each row.

        Loops over positions, not rows: slates are short.
        """
        out = over_rows.copy()
        for position in range(1, int(self.position.max(initial=0)) + 1):
            rows = np.flatnonzero(self.position == position)
            out[rows] *= out[rows - 1]
        return out

    def take(self, requests: Bools | Ints) -> "LoggedDecisions":
        """The log of the chosen requests, (m,) mask or ascending positions among the requests."""
        chosen = np.zeros(self.requests, bool)
        chosen[requests] = True
        rows = np.repeat(chosen, self.positions)
        lengths = self.eligible[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = offsets[:-1] - self.offsets[:-1][rows]
        return LoggedDecisions(
            request=self.request[rows],
            position=self.position[rows],
            offsets=offsets,
            action=self.action[rows] + shift,
            propensity=self.propensity[rows],
            reward=self.reward[rows],
            at=self.at[rows],
            logger=self.logger[rows],
            user=None if self.user is None else self.user[rows],
            p_drop=None if self.p_drop is None else self.p_drop[rows],
            logging=None if self.logging is None else self.logging[np.repeat(rows, self.eligible)],
            logger_propensity=None if self.logger_propensity is None else self.logger_propensity[rows],
            logger_share=self.logger_share,
        )

    def entries_of(self, requests: Bools | Ints) -> Bools:
        """(nnz,) mask of the entries that `take` keeps, to cut a policy's array the same way."""
        chosen = np.zeros(self.requests, bool)
        chosen[requests] = True
        rows = np.repeat(chosen, self.positions)
        return np.repeat(rows, self.eligible)


def check_policy(log: LoggedDecisions, policy: Doubles, name: str) -> None:
    """A policy over the entries is a conditional distribution on every row's eligible set.

    Raises
    ------
    ContractBroken
        Naming the first row that is off.
    """
    if policy.shape != (log.entries,):
        raise ContractBroken(
            f"{name} has shape {policy.shape}; allowed is one value per eligible entry ({log.entries},)"
        )
    low = float(policy.min())
    if not low >= 0:
        entry = int(np.flatnonzero(~(policy >= 0))[0])
        row = int(np.searchsorted(log.offsets, entry, side="right")) - 1
        raise ContractBroken(f"{name} of row {row} holds {policy[entry]}; allowed are probabilities in [0, 1]")
    sums = log.per_row(policy)
    off = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if len(off):
        raise ContractBroken(
            f"{name} of row {off[0]} sums to {sums[off[0]]:.6g} over its eligible set; "
            f"allowed is 1 ({len(off)} such rows)"
        )


def check_model(log: LoggedDecisions, q: Doubles, name: str = "q") -> None:
    """A reward model over the entries is finite everywhere."""
    if q.shape != (log.entries,):
        raise ContractBroken(f"{name} has shape {q.shape}; allowed is one value per eligible entry ({log.entries},)")
    if not np.isfinite(q.sum()):
        bad = np.flatnonzero(~np.isfinite(q))
        if len(bad):
            row = int(np.searchsorted(log.offsets, bad[0], side="right")) - 1
            raise ContractBroken(f"{name} of row {row} holds {q[bad[0]]}; allowed are finite expected rewards")


def _check_shapes(log: LoggedDecisions) -> None:
    n = len(log.request)
    if n == 0:
        raise ContractBroken("the log is empty; allowed is one decision or more")
    for name in ("position", "action", "propensity", "reward", "at", "logger", "user", "p_drop"):
        column = getattr(log, name)
        if column is not None and column.shape != (n,):
            raise ContractBroken(f"column {name} has shape {column.shape}; allowed is ({n},), as request")
    if log.offsets.shape != (n + 1,) or log.offsets[0] != 0:
        raise ContractBroken(
            f"offsets have shape {log.offsets.shape}; allowed are {n + 1} values from 0 for {n} decisions"
        )
    if log.logging is not None and log.logging.shape != (log.entries,):
        raise ContractBroken(f"column logging has shape {log.logging.shape}; allowed is ({log.entries},)")
    loggers = (log.logger_propensity is None, log.logger_share is None)
    if loggers[0] != loggers[1]:
        raise ContractBroken("logger_propensity and logger_share come together or not at all")
    if log.logger_propensity is not None and log.logger_share is not None:
        groups = len(log.logger_share)
        if log.logger_propensity.shape != (n, groups):
            raise ContractBroken(
                f"logger_propensity has shape {log.logger_propensity.shape}; allowed is ({n}, {groups})"
            )


def _check_values(log: LoggedDecisions) -> None:
    _first(log.reward, ~np.isfinite(log.reward), "reward", "finite numbers")
    _first(log.reward, log.reward < 0, "reward", "numbers from 0")
    _first(log.eligible, log.eligible < 1, "eligible", "one entry or more per decision")
    outside = (log.action < log.offsets[:-1]) | (log.action >= log.offsets[1:])
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ContractBroken(
            f"row {row}, column action: {log.action[row]} is outside its eligible set; "
            f"allowed is {log.offsets[row]} to {log.offsets[row + 1] - 1}"
        )
    if log.user is not None:
        _first(log.user, log.user != np.repeat(log.user[log.starts], log.positions), "user", "one user per request")
    if log.p_drop is not None:
        _first(log.p_drop, ~((log.p_drop >= 0) & (log.p_drop < 1)), "p_drop", "probabilities in [0, 1)")
    if log.logger_share is not None and abs(float(log.logger_share.sum()) - 1) > SUM_TOLERANCE:
        raise ContractBroken(f"logger_share sums to {log.logger_share.sum():.6g}; allowed is 1")
    follows = np.empty(len(log), bool)
    follows[0] = False
    np.equal(log.request[1:], log.request[:-1], out=follows[1:])
    expected = np.where(follows, np.concatenate([[0], log.position[:-1] + 1]), 0)
    _first(log.position, log.position != expected, "position", "0, 1, 2, ... within each request, rows of it together")


def _first(values: np.ndarray, bad: Bools, column: str, allowed: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ContractBroken(
            f"row {row}, column {column}: {values[row]}; allowed are {allowed} ({bad.sum()} such rows)"
        )
