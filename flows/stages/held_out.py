"""The held-out requests of a window as logged decisions, and what a generation would have done with them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Bools, Doubles, Floats, Ints
from components.evaluate.logged_decisions import LoggedDecisions
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.policy.slates import Shown
from components.ranker.features import RECENT, Encoder
from flows.stages.training_data import EligibleSets, encode_eligible


@dataclass(frozen=True)
class HeldOut:
    """Requests whose outcomes the challenger never learned, with a choice to make.

    `log` has a row per shown position; its entries are the entries `entry` of `eligible`
    that are still eligible given the prefix. `reward` (nnz,) is nan but for the shown.
    """

    eligible: EligibleSets
    shown: Shown
    entry: Ints
    log: LoggedDecisions

    def target(self, policy: PlackettLuce, scores: Doubles | Floats) -> Doubles:
        """(nnz of the log,) probability of each entry under a policy, given the logged prefix.

        `scores` (entries of `eligible`,) are compensated logits.
        """
        return policy.conditionals(scores, self.eligible.offsets, self.shown).probability


def held_out_log(
    requests: pd.DataFrame, impressions: pd.DataFrame, encoder: Encoder, p_drop: float = 0.0
) -> HeldOut | None:
    """The requests as logged decisions; None if there are none.

    Parameters
    ----------
    requests : that can be judged (`why_not`): request_id, user_id, at, context, eligible.
    impressions : matured: request_id, item_id, position, propensity, reward, generation, and `recent`
        where the source has it; those of other requests are left out.
    p_drop : probability with which a request like these was left out.
    """
    if requests.empty:
        return None
    choice = requests.reset_index(drop=True)
    if RECENT in impressions:
        known = impressions.drop_duplicates("request_id").set_index("request_id")[RECENT]
        choice[RECENT] = choice["request_id"].map(known)
    eligible = encode_eligible(choice, encoder)
    shown = _in_slate_order(choice, impressions)
    per_request = np.bincount(shown["request"], minlength=len(choice))
    slates = Shown(_shown_entries(eligible, shown), np.append(0, np.cumsum(per_request)))
    uniform = PlackettLuce(PolicySettings(epsilon=1.0))
    remaining = uniform.conditionals(np.zeros(len(eligible.item_id)), eligible.offsets, slates)
    log = LoggedDecisions(
        request=shown["request"].to_numpy(np.int64),
        position=slates.position,
        offsets=remaining.offsets,
        action=np.flatnonzero(remaining.entry == np.repeat(slates.entry, np.diff(remaining.offsets))),
        propensity=shown["propensity"].to_numpy(float),
        reward=shown["reward"].to_numpy(float),
        at=choice["at"].to_numpy(np.int64)[shown["request"]],
        logger=shown["generation"].fillna(0).to_numpy(np.int64),
        p_drop=np.full(len(shown), p_drop) if p_drop else None,
        user=pd.factorize(choice["user_id"])[0][shown["request"]],
    )
    return HeldOut(eligible, slates, remaining.entry, log)


def why_not(requests: pd.DataFrame, impressions: pd.DataFrame) -> np.ndarray:
    """(r,) why a held-out request cannot be judged, an empty text where it can.

    The slate's length and what could have been shown are the request's own, never read off what happened to mature.

    Parameters
    ----------
    requests : request_id, eligible, and as logged: `positions` shown, `broken` of them set aside by a contract.
    impressions : matured: request_id, item_id, position.
    """
    inside = _inside(requests, impressions)
    slate = (
        impressions.assign(inside=inside)
        .groupby("request_id")
        .agg(known=("position", "nunique"), last=("position", "max"), inside=("inside", "all"))
        .reindex(requests["request_id"])
    )
    positions, sizes = requests["positions"].to_numpy(), requests["eligible"].map(lambda e: 0 if e is None else len(e))
    reasons = {
        "a position was set aside by a contract": requests["broken"].to_numpy() > 0,
        "a position's outcome did not come in time": slate["known"].to_numpy() != positions,
        "positions with a hole": slate["last"].to_numpy() + 1 != positions,
        "no eligible set on record": sizes.to_numpy() == 0,
        "nothing to choose": sizes.to_numpy() == 1,
        "shown outside the eligible set": ~slate["inside"].fillna(False).to_numpy(bool),
    }
    return np.select(list(reasons.values()), list(reasons), default="")


def _inside(requests: pd.DataFrame, impressions: pd.DataFrame) -> Bools:
    """(n,) whether each impression's item is in the eligible set of its request, if that has one."""
    sets = requests["eligible"]
    sizes = np.fromiter((0 if e is None else len(e) for e in sets), np.int64, len(sets))
    entries = np.concatenate([np.asarray(e, object) for e in sets if e is not None] or [np.empty(0, object)])
    item = pd.factorize(np.concatenate([entries, impressions["item_id"].to_numpy(object)]))[0]
    asked = pd.Index(requests["request_id"]).get_indexer(pd.Index(impressions["request_id"]))
    width = len(item) + 1
    eligible = np.repeat(np.arange(len(sets)), sizes) * width + item[: len(entries)]
    return np.isin(asked * width + item[len(entries) :], eligible)


def _in_slate_order(requests: pd.DataFrame, impressions: pd.DataFrame) -> pd.DataFrame:
    index = pd.Index(requests["request_id"]).get_indexer(pd.Index(impressions["request_id"]))
    shown = impressions.assign(request=index)[index >= 0]
    return shown.sort_values(["request", "position"]).reset_index(drop=True)


def _shown_entries(eligible: EligibleSets, shown: pd.DataFrame) -> Ints:
    """(m,) entry of each shown item within its request's eligible set."""
    request = np.repeat(np.arange(len(eligible.offsets) - 1), np.diff(eligible.offsets))
    entries = pd.DataFrame({"request": request, "item_id": eligible.item_id, "entry": np.arange(len(request))})
    found = shown.merge(entries.drop_duplicates(["request", "item_id"]), on=["request", "item_id"], how="left")
    return found["entry"].to_numpy(np.int64)
