"""Canary: the generation that serves some users first, compared with the champion on what each showed its own users.

Who is whose follows from the hash alone. A request counts where the generation that its user was drawn for answered it,
from the canary's first answer on; what another one answered meanwhile (a worker that had not loaded it yet) is left out
and counted.
"""

import logging

import numpy as np
import pandas as pd

from components.domain import Verdict, Window
from components.evaluate.canary import Traffic, last_look_at, look, past_means, past_window
from components.evaluate.canary_settings import CanarySettings
from components.publish.canary import Canary
from components.publish.pointer import ReleaseKind
from flows.stages.promises import earned_of
from flows.stages.release import release_in_turn, settings_of, take_back
from flows.stages.results import Judgement, NoChallenger, Trial
from flows.stages.training_data import maturing
from flows.turn import Turn
from warehouse import facts, ledger
from warehouse.records import CanaryEnded, CanaryMade

log = logging.getLogger("evercurrent")


def watch_canary(turn: Turn) -> Trial | None:
    """Look at the canary that is out, by all that has matured since it was sent out; None where none is."""
    out = ledger.canary_of_turn(turn.warehouse, turn.window.cutoff)
    if out is None:
        return None
    share = settings_of(out).share
    if out.champion != turn.champion:
        gone = f"generation {out.champion}, beside which it was sent out, is champion no more"
        return Trial(out.generation, share, Verdict.ROLL_BACK, (gone,))
    return _looked_at(turn, out)


def _looked_at(turn: Turn, out: CanaryMade) -> Trial:
    settings, (traffic, astray) = settings_of(out), _traffic(turn, out)
    found = look(traffic, settings, last=turn.window.cutoff >= last_look_at(out.began_at, settings))
    ledger.record_canary_look(turn.warehouse, out.generation, turn.window.cutoff, found.to_json())
    log.info(
        "stage=canary generation=%d verdict=%s users=%d requests=%d astray=%d",
        out.generation,
        found.verdict,
        found.users[0],
        found.requests[0],
        astray,
    )
    return Trial(out.generation, settings.share, found.verdict, (*found.reasons, str(found), *_astray(astray)))


def without_challenger(trial: Trial) -> NoChallenger:
    """Why a turn makes no generation while a canary is out: it would be compared with a champion that may go."""
    why = f"no new generation: generation {trial.generation} serves {trial.share:.1%} of the users as canary"
    return NoChallenger((why,))


def with_trial(judgement: Judgement, trial: Trial) -> Judgement:
    """The turn's verdict where a canary is out: PROMOTE if the canary is promoted, ROLL_BACK if the champion goes."""
    said = tuple(f"canary generation {trial.generation}, {trial.verdict}: {reason}" for reason in trial.reasons[:1])
    reasons = (*said, *trial.reasons[1:], *judgement.reasons)
    verdict = judgement.verdict
    if verdict is not Verdict.ROLL_BACK:
        verdict = Verdict.PROMOTE if trial.verdict is Verdict.PROMOTE else Verdict.HOLD
    return Judgement(verdict, reasons, judgement.evaluation, judgement.held_out)


def conclude(turn: Turn, trial: Trial, judgement: Judgement) -> None:
    """Promote the canary, or refuse it, as the verdicts say; a champion that is rolled back takes it along."""
    cutoff, verdict, reasons = turn.window.cutoff, trial.verdict, trial.reasons
    if judgement.verdict is Verdict.ROLL_BACK:
        verdict, reasons = Verdict.ROLL_BACK, ("the champion that it was made from was rolled back",)
    if verdict is Verdict.HOLD or (verdict is Verdict.PROMOTE and judgement.verdict is Verdict.HOLD):
        return  # the second: a person wants it to stay a canary
    if verdict is Verdict.PROMOTE:
        release_in_turn(turn, trial.generation, ReleaseKind.PROMOTE, ("canary", *reasons))
    ended = CanaryEnded(generation=trial.generation, verdict=verdict.value, reasons=reasons, ended_at=cutoff)
    take_back(turn.workspace, ended)


def _traffic(turn: Turn, out: CanaryMade) -> tuple[Traffic, int]:
    """What both sides' users did since the canary's first answer, and how many requests went astray."""
    settings = settings_of(out)
    before = past_window(out.began_at, settings)
    rows = _requests(turn, Window(min(before.start, out.began_at), turn.window.cutoff))
    canary = Canary.beside(out.champion, out.generation, settings.share)
    own = rows["generation"] == out.generation
    since = int(rows["at"][own].min()) if own.any() else turn.window.cutoff
    trial = rows[rows["at"] >= since]
    users = trial["user_id"].unique()
    served = pd.Series(canary.serves_each(users), index=users)
    drawn_for = np.where(served.reindex(trial["user_id"]).to_numpy(bool), out.generation, out.champion)
    straight = trial[trial["generation"].to_numpy() == drawn_for]
    each = straight.groupby("user_id")["earned"].agg(["size", "sum"])
    past = _past(rows[rows["at"] < out.began_at], each.index, settings)
    traffic = Traffic(
        each["size"].to_numpy(float), each["sum"].to_numpy(float), past, served.reindex(each.index).to_numpy(bool)
    )
    return traffic, len(trial) - len(straight)


def _past(rows: pd.DataFrame, users: pd.Index, settings: CanarySettings) -> np.ndarray:
    """(n,) what was known of users before the canary: their mean reward, drawn to the mean of all."""
    if not settings.past_days:
        return np.zeros(len(users))
    known = rows.groupby("user_id")["earned"].agg(["size", "sum"])
    overall = known["sum"].sum() / max(known["size"].sum(), 1)
    means = pd.Series(past_means(known["sum"].to_numpy(float), known["size"].to_numpy(float)), index=known.index)
    return means.reindex(users).fillna(overall).to_numpy(float)


def _requests(turn: Turn, window: Window) -> pd.DataFrame:
    """Settled requests of a window: request_id, user_id, generation, at, earned."""
    shown = facts.answered(turn.warehouse, window, maturing(turn.source))
    shown = shown.assign(earned=earned_of(turn, shown, turn.settings.metrics.improve))
    first = dict.fromkeys(("user_id", "generation", "at"), "first")
    return shown.groupby("request_id", as_index=False).agg(first | {"earned": "sum"})


def _astray(requests: int) -> tuple[str, ...]:
    return (f"{requests:,} requests were answered by another generation than their user's",) if requests else ()
