"""The held-out requests of a window as logged decisions, and what a generation would have done with them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Doubles, Floats, Ints
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


def held_out_log(requests: pd.DataFrame, impressions: pd.DataFrame, encoder: Encoder) -> HeldOut | None:
    """The requests whose slate is wholly known and left something to choose; None if there are none.

    Parameters
    ----------
    requests : request_id, user_id, at, context, eligible.
    impressions : matured: request_id, item_id, position, propensity, reward, generation, and `recent`
        where the source has it.
    """
    choice = requests[requests["eligible"].map(lambda e: e is not None and len(e) > 1)]
    choice = choice[_whole_slates(choice, impressions)].reset_index(drop=True)
    if RECENT in impressions:
        known = impressions.drop_duplicates("request_id").set_index("request_id")[RECENT]
        choice[RECENT] = choice["request_id"].map(known)
    if choice.empty:
        return None
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
        user=pd.factorize(choice["user_id"])[0][shown["request"]],
    )
    return HeldOut(eligible, slates, remaining.entry, log)


def _whole_slates(requests: pd.DataFrame, impressions: pd.DataFrame) -> pd.Series:
    """Whether all positions of a request's slate have matured, each showing an eligible item."""
    sets = requests.set_index("request_id")["eligible"]
    known = impressions[impressions["request_id"].isin(sets.index)]
    inside = [item in set(sets[request]) for request, item in zip(known["request_id"], known["item_id"], strict=True)]
    slate = known.assign(inside=inside).groupby("request_id")
    whole = (slate["position"].max() + 1 == slate["position"].nunique()) & slate["inside"].all()
    return requests["request_id"].map(whole).fillna(False).astype(bool)


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
