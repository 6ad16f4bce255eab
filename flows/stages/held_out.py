"""The held-out requests of a window as logged decisions, and what a generation would have done with them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.coded import NOTHING, Coded
from components.domain import Bools, Doubles, Ints
from components.evaluate.logged_decisions import LoggedDecisions
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.policy.slates import Shown, entries_of
from flows.stages.choices import Asked
from flows.stages.eligible_sets import Requests
from flows.stages.training_data import TrainingData


@dataclass(frozen=True)
class HeldOut:
    """Requests whose outcomes the challenger never learned, with a choice to make.

    `log` has a row per shown position; its entries are those entries `entry` of the eligible sets of `asked`
    that are still eligible given the prefix.
    """

    asked: Asked
    entry: Ints
    log: LoggedDecisions

    @property
    def requests(self) -> Requests:
        """(r,) the requests themselves."""
        return self.asked.requests


@dataclass(frozen=True, eq=False)
class ShownRows:
    """m matured impressions of some of r requests.

    Attributes
    ----------
    rows : in order of arrival.
    earned : (m,) what each earned, in the unit that is judged.
    request : (m,) which of the requests it is of, -1 for none of them.
    """

    rows: TrainingData
    earned: Doubles
    request: Ints

    def of(self, kept: Bools) -> "ShownRows":
        """The same rows, of those of the requests where (r,) `kept` holds."""
        number = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        return ShownRows(self.rows, self.earned, number[self.request])


def held_out_log(requests: Requests, shown: ShownRows, p_drop: float = 0.0) -> HeldOut | None:
    """The requests as logged decisions; None if there are none.

    Parameters
    ----------
    requests : r that can be judged (`why_not`).
    shown : what was shown in them; rows of other requests are left out.
    p_drop : probability with which a request like these was left out.
    """
    if not len(requests):
        return None
    order = _in_slate_order(shown)
    request, rows = shown.request[order], shown.rows
    item = rows.item.take(order).codes_in(requests.item)
    per_request = np.bincount(request, minlength=len(requests))
    entry = entries_of(requests.offsets, requests.item.codes, request, item)
    slates = Shown(entry, np.append(0, np.cumsum(per_request)))
    uniform = PlackettLuce(PolicySettings(epsilon=1.0))
    remaining = uniform.conditionals(np.zeros(len(requests.item)), requests.offsets, slates)
    log = LoggedDecisions(
        request=request,
        position=slates.position,
        offsets=remaining.offsets,
        action=np.flatnonzero(remaining.entry == np.repeat(slates.entry, np.diff(remaining.offsets))),
        propensity=rows.propensity[order],
        reward=shown.earned[order],
        at=requests.at[request],
        logger=np.maximum(rows.generation[order], 0).astype(np.int64),
        p_drop=np.full(len(order), p_drop) if p_drop else None,
        user=pd.factorize(requests.user.codes)[0][request],
    )
    return HeldOut(Asked(requests, _recent(requests, shown), slates), remaining.entry, log)


def why_not(requests: Requests, shown: ShownRows) -> np.ndarray:
    """(r,) why a held-out request cannot be judged, an empty text where it can.

    The slate's length and what could have been shown are the request's own, never read off what happened to mature.
    """
    inside = shown.request >= 0
    request, position = shown.request[inside], shown.rows.position[inside]
    item = shown.rows.item.take(inside).codes_in(requests.item)
    outside = entries_of(requests.offsets, requests.item.codes, request, item) < 0
    known = np.unique(np.column_stack([request, position]), axis=0)[:, 0]
    last = np.full(len(requests), -1)
    np.maximum.at(last, request, position)
    reasons = {
        "a position was set aside by a contract": requests.broken > 0,
        "a position's outcome did not come in time": np.bincount(known, minlength=len(requests)) != requests.positions,
        "positions with a hole": last + 1 != requests.positions,
        "no eligible set on record": requests.sizes == 0,
        "nothing to choose": requests.sizes == 1,
        "shown outside the eligible set": np.bincount(request[outside], minlength=len(requests)) > 0,
    }
    return np.select(list(reasons.values()), list(reasons), default="")


def _recent(requests: Requests, shown: ShownRows) -> Coded | None:
    """(r, width) what the users of requests liked last, as the first row of each to arrive has it."""
    recent, request = shown.rows.recent, shown.request
    if recent is None:
        return None
    first = np.full(len(requests), -1)
    backwards = np.flatnonzero(request >= 0)[::-1]
    first[request[backwards]] = backwards
    codes = np.where((first >= 0)[:, None], recent.codes[first], NOTHING)
    return Coded(codes, recent.distinct)


def _in_slate_order(shown: ShownRows) -> Ints:
    """Rows of the requests, slate after slate."""
    order = np.lexsort((shown.rows.position, shown.request))
    return order[np.searchsorted(shown.request[order], 0) :]
