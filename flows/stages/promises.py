"""The gate's promises: kept in the ledger at a release, and held against what the release earns."""

import numpy as np
import pandas as pd

from components.evaluate.evaluation import Evaluation
from components.evaluate.intervals import Interval
from components.evaluate.promise import OnPolicy, Promise
from components.ingest.reward_rule import RewardRule
from flows.stages.results import TurnData
from flows.turn import Turn
from warehouse import facts, ledger

TOLD = 12
"""Releases that a turn's page tells of, the latest; the ledger keeps all."""


def make_promise(turn: Turn, generation: int, evaluation: Evaluation | None) -> None:
    """Keep what the gate estimated of the generation that it releases; nothing where it estimated nothing."""
    if evaluation is None or evaluation.value is None:
        return
    promise = Promise(generation, evaluation.metric, evaluation.value)
    ledger.record_promise(turn.warehouse, generation, promise.to_json())


def hold_promises(turn: Turn, data: TurnData) -> tuple[Promise, ...]:
    """The latest promises; those whose requests matured in this turn with what they have earned until its cutoff."""
    known = {g: Promise.from_json(text) for g, text in ledger.promises(turn.warehouse).items()}
    logged = np.unique(data.fresh.generation)
    for generation in sorted(set(logged.tolist()) & known.keys()):
        held = _with_earned(turn, known[generation])
        known[generation] = held
        ledger.record_promise(turn.warehouse, generation, held.to_json())
    return tuple(known.values())[-TOLD:]


def _with_earned(turn: Turn, promise: Promise) -> Promise:
    rule, cutoff = RewardRule.of(turn.source), turn.window.cutoff
    maturing = facts.Maturing(turn.source.outcome.kind, turn.source.attribution)
    shown = facts.logged_by(turn.warehouse, promise.generation, cutoff, maturing)
    if shown.empty:
        return promise
    earned = earned_of(turn, shown, promise.metric)
    if promise.metric != "reward":
        rule = rule.beside(promise.metric)
    request, user = (pd.factorize(shown[name])[0] for name in ("request_id", "user_id"))
    first = np.flatnonzero(shown["position"].to_numpy() == 0)
    value = OnPolicy(np.bincount(request, earned).astype(float), pd.factorize(user[first])[0])
    low, high = rule.value_range
    slate = int(shown["position"].max()) + 1
    return promise.with_earned(value, Interval(slate * low, slate * high, "range"), turn.settings.evaluate, cutoff)


def earned_of(turn: Turn, shown: pd.DataFrame, metric: str) -> np.ndarray:
    """(n,) what each shown position earned of a metric: the reward, or another kind of outcome that is measured."""
    rule = RewardRule.of(turn.source)
    if metric != "reward":
        return _measured(turn, shown, rule.beside(metric))
    return rule.earned(shown["reward"].to_numpy(), shown["grade"].to_numpy())


def _measured(turn: Turn, shown: pd.DataFrame, rule: RewardRule) -> np.ndarray:
    """(n,) what each shown position earned of a kind of outcome that is measured and not learned from."""
    maturing = facts.Maturing(rule.kind, turn.source.attribution)
    found = facts.measured(turn.warehouse, shown["request_id"].unique(), int(shown["at"].min()), maturing)
    place = pd.MultiIndex.from_frame(shown[["request_id", "position"]])
    found = found.set_index(["request_id", "position"]).reindex(place)
    return rule.earned(found["reward"].fillna(0.0).to_numpy(float), found["grade"].to_numpy(float))
