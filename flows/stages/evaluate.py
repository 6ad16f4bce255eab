"""Judge: what the gate says of the challenger, on requests that nobody learned from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.domain import Doubles, Verdict, iso
from components.evaluate.anchor import Anchor
from components.evaluate.evaluate import Evaluation, InLoop
from components.evaluate.evaluate import evaluate as weigh
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.holdout import Dropped, HoldoutCounts, draw
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.promise import Promise
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.way_back import way_back
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory
from components.pages.page import write_page
from components.pages.turn_pages import BEFORE_EVALUATION, TurnPage
from components.publish.read_bundle import MODEL
from components.ranker.features import hash_ids
from components.ranker.forward import Forward
from components.serving.served import Served
from components.whole_file import write_durably
from flows.engine.choices import chosen
from flows.stages.canary import with_trial
from flows.stages.choices import Choices, Rater
from flows.stages.eligible_sets import Requests
from flows.stages.guardrails import carry_guardrails, guardrails_of, keep_guardrails, outcomes_of
from flows.stages.held_out import HeldOut, ShownRows, held_out_log, why_not
from flows.stages.promises import hold_promises
from flows.stages.results import Challenger, Champion, Judgement, NoChallenger, Trial, TurnData
from flows.stages.unsound import unless_refused, with_foreign_memory, without_scores, write_refusal
from flows.turn import Turn
from warehouse import facts

CHALLENGER, CHAMPION, PARENT, ANCHOR = "challenger", "champion", "parent", "anchor"
"""Who is asked what it would have done."""

SEQUENTIAL_TEST = "sequential_test.json"
"""Beside the turn: the evidence of the challengers on hold against its champion, today's included."""


def evaluate(
    turn: Turn,
    data: TurnData,
    champion: Champion | None,
    challenger: Challenger | NoChallenger,
    trial: Trial | None = None,
) -> Judgement:
    """PROMOTE, HOLD or ROLL_BACK, with reasons; written beside the turn. PROMOTE is the canary's where one is out."""
    judgement = _judge(turn, data, champion, challenger, hold_promises(turn, data))
    judgement = judgement if trial is None else with_trial(judgement, trial)
    keep_evidence(turn, judgement)
    return judgement


def keep_evidence(turn: Turn, judgement: Judgement) -> None:
    """Keep what speaks for challengers on hold for the turns after this one; nothing where a verdict ends the test."""
    evaluation = judgement.evaluation
    if judgement.verdict is not Verdict.HOLD:
        _keep(turn, None)
        keep_guardrails(turn, ())
    elif evaluation is None:
        carry_evidence(turn)
    else:
        _keep(turn, evaluation.sequential_test)
        keep_guardrails(turn, evaluation.guardrails)


def _judge(
    turn: Turn,
    data: TurnData,
    champion: Champion | None,
    challenger: Challenger | NoChallenger,
    promises: tuple[Promise, ...],
) -> Judgement:
    if champion is None or (isinstance(challenger, Challenger) and challenger.kind is None):
        return Judgement(Verdict.PROMOTE, ("first generation: nothing to compare it with",))
    held, counts = _held_out(turn, data)
    if isinstance(challenger, NoChallenger):
        found = _HeldOutFound(held, counts.unjudged("the turn made no challenger"))
        return _champion_alone(turn, data, found, champion, challenger.reasons)
    if held is None:
        why = f"refused: no held-out request can be judged by this turn; {counts}"
        return Judgement(Verdict.HOLD, (why,), held_out=counts)
    made = chosen(turn, held.asked, data.encoder, _raters(turn, champion) | {CHALLENGER: challenger.rater})
    if refused := without_scores(made[CHALLENGER]):
        found = _HeldOutFound(held, counts.unjudged("the challenger has no scores"))
        return _champion_alone(turn, data, found, champion, (f"refused: {refused}",))
    evaluation = _weigh(turn, data, held, _Contest(champion, challenger, made))
    evaluation = replace(evaluation, held_out=counts, promises=promises)
    _write(turn, evaluation, held, made[CHALLENGER])
    return Judgement(evaluation.verdict, evaluation.reasons, evaluation, counts)


def _raters(turn: Turn, champion: Champion) -> dict[str, Rater]:
    """Champion, its parent and its anchor, as far as there are any, as blind."""
    served = {CHAMPION: champion.blind, PARENT: champion.parent, ANCHOR: champion.anchor}
    return {name: _rater(turn, one) for name, one in served.items() if one is not None}


def _rater(turn: Turn, served: Served) -> Rater:
    folder = turn.workspace.bundle(served.generation) / MODEL
    return Rater(cast(Forward, served.model), cast(ErrorMemory, served.memory), served.policy, folder)


@dataclass(frozen=True)
class _HeldOutFound:
    """The held-out requests that the champion may be judged by, if there are any, and what became of all."""

    held: HeldOut | None
    counts: HoldoutCounts


def _champion_alone(
    turn: Turn, data: TurnData, found: _HeldOutFound, champion: Champion, reasons: tuple[str, ...]
) -> Judgement:
    """HOLD for `reasons` where there is no challenger to weigh, but the champion still answers for itself.

    ROLL_BACK if it has fallen behind its parent: a champion that no update can be made of is the last to be kept.
    """
    write_refusal(turn, reasons)
    held, held_back = found.held, Judgement(Verdict.HOLD, reasons, held_out=found.counts)
    if held is None or champion.parent is None:
        return held_back
    raters = {CHAMPION: replace(_rater(turn, champion.blind), expects=True), PARENT: _rater(turn, champion.parent)}
    made = chosen(turn, held.asked, data.encoder, raters)
    own, asked, loop = made[CHAMPION], _asked(turn, held, made[CHAMPION]), InLoop(parent=made[PARENT].probability)
    pi, s = own.probability, turn.settings.evaluate
    judged = weigh(asked.log, pi, pi, asked.q, s, value_range=asked.rule.value_range, loop=loop)
    if judged.verdict is not Verdict.ROLL_BACK:
        return held_back
    why = (judged.reasons[0], *reasons)
    judged = replace(judged, reasons=why, unit=asked.rule.unit, held_out=found.counts)
    _write(turn, judged, held, own)
    return Judgement(judged.verdict, why, judged, found.counts)


def carry_evidence(turn: Turn) -> None:
    """Hand on what the turn before kept of challengers on hold, on a turn that judges nobody."""
    _keep(turn, _test_so_far(turn))
    carry_guardrails(turn)


def _test_so_far(turn: Turn) -> SequentialTest | None:
    """The sequential test that the turn before left, if it stands against today's champion.

    It is read from that turn's folder and written to this one's, so that a turn that is run again counts once.
    """
    path = turn.workspace.turn(turn.window.start) / SEQUENTIAL_TEST
    sequential_test = SequentialTest.from_json(path.read_text()) if path.exists() else None
    return sequential_test if sequential_test and sequential_test.champion == turn.champion else None


def _keep(turn: Turn, sequential_test: SequentialTest | None) -> None:
    path = turn.folder / SEQUENTIAL_TEST
    if sequential_test is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, sequential_test.to_json().encode())


def _held_out(turn: Turn, data: TurnData) -> tuple[HeldOut | None, HoldoutCounts]:
    """The held-out requests that can be judged, each reward in the unit that is judged; and what became of all."""
    if not data.held.any():
        return None, HoldoutCounts(0, data.waiting_requests)
    asked = data.fresh.request_id.filter(pa.array(data.held)).combine_chunks().dictionary_encode()
    most = turn.settings.evaluate.max_requests
    drawn = draw(asked.dictionary, most)
    since = int(data.fresh.examples.at[data.held].min())
    requests = Requests.of(facts.requests(turn.warehouse, asked.dictionary.filter(pa.array(drawn.kept)), since))
    shown = _shown(turn, data, requests, pc.index_in(asked, pa.array(requests.request_id, pa.string())))
    reasons = why_not(requests, shown)
    known, counts = np.unique(reasons[reasons != ""], return_counts=True)
    dropped = [Dropped(str(reason), int(count)) for reason, count in zip(known, counts, strict=True)]
    if drawn.p_drop:
        beyond = f"not drawn: evaluate.max_requests is {most:,}; every estimate undoes the draw"
        dropped.append(Dropped(beyond, int((~drawn.kept).sum())))
    sound = reasons == ""
    held = held_out_log(requests.take(sound), shown.of(sound), drawn.p_drop)
    return held, HoldoutCounts(int(sound.sum()), data.waiting_requests, tuple(dropped))


def _shown(turn: Turn, data: TurnData, requests: Requests, number: pa.Array) -> ShownRows:
    """The held-out rows that are of `requests`; (held-out rows,) `number` says of which, null of none."""
    request = number.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = data.fresh.take(np.flatnonzero(data.held)[request >= 0])
    return ShownRows(rows, RewardRule.of(turn.source).earned(rows.reward, rows.grade), request[request >= 0])


@dataclass(frozen=True)
class _Contest:
    """Who is weighed against whom, and what each would have done in the held-out requests."""

    champion: Champion
    challenger: Challenger
    made: Mapping[str, Choices]

    def of(self, name: str) -> Doubles | None:
        """(nnz,) probabilities of one; None where it was not asked."""
        return self.made[name].probability if name in self.made else None


@dataclass(frozen=True)
class _Asked:
    """The held-out decisions with the metric that is to be improved as their reward, a model's word, and the rule."""

    log: LoggedDecisions
    q: Doubles | None
    rule: RewardRule


def _asked(turn: Turn, held: HeldOut, made: Choices) -> _Asked:
    rule, improve = RewardRule.of(turn.source), turn.settings.metrics.improve
    if improve == "reward":
        return _Asked(held.log, made.expected, rule)
    return _Asked(replace(held.log, reward=outcomes_of(turn, held, improve)), None, rule.beside(improve))


def _weigh(turn: Turn, data: TurnData, held: HeldOut, contest: _Contest) -> Evaluation:
    challenger, standing = contest.challenger, contest.champion.standing
    target, champions = contest.made[CHALLENGER].probability, contest.made[CHAMPION].probability
    asked = _asked(turn, held, contest.made[CHALLENGER])
    kind = challenger.kind or "update"
    begun = _test_so_far(turn) or SequentialTest(contest.champion.blind.generation, kind)
    sequential_test, guardrails = begun.asked(kind), guardrails_of(turn, held, data.encoder)
    evaluation = weigh(
        asked.log,
        target,
        champions,
        asked.q,
        turn.settings.evaluate,
        value_range=asked.rule.value_range,
        kind=sequential_test.kind,
        metric=turn.settings.metrics.improve,
        item=pd.factorize(held.requests.item.codes[held.entry])[0],
        segments=_segments(held, challenger),
        loop=InLoop(sequential_test, contest.of(PARENT), Anchor(standing, contest.of(ANCHOR)), guardrails),
    )
    against = with_foreign_memory(challenger) or way_back(held.log, target, champions, turn.settings.evaluate)
    return unless_refused(against, replace(evaluation, unit=asked.rule.unit))


def _segments(held: HeldOut, challenger: Challenger) -> dict[str, np.ndarray]:
    """Labels of the requests that every source has: who logged them, and whether the user has a row of their own."""
    model = challenger.checkpoint.model
    user = held.requests.user
    keys = hash_ids(model.spec.fields[0].vocabulary, user.distinct)[user.codes]
    row = model.vocabulary.find(keys[:, None], np.zeros(1, np.int64))[:, 0]
    return {
        "logged by generation": held.log.logger[held.log.starts],
        "user": np.where(row > len(model.spec.vocabularies), "met before", "new"),
    }


def _write(turn: Turn, evaluation: Evaluation, held: HeldOut, made: Choices) -> None:
    """The page, the figures, and what was judged would have shown: the world compares it with the truth."""
    folder = turn.folder
    title = f"Evaluation, {iso(turn.window.start)[:10]} to {iso(turn.window.cutoff)[:10]}"
    write_page(turn.pages / TurnPage.EVALUATION.file, evaluation_page(evaluation, title, beside=BEFORE_EVALUATION))
    write_page(folder / "evaluation.json", evaluation.to_json())
    first = held.log.position[held.log.row_of_entry] == 0
    entry = held.entry[first]
    request = held.log.request[held.log.row_of_entry][first]
    pd.DataFrame(
        {
            "request_id": held.requests.request_id[request],
            "item_id": held.requests.item.take(entry).texts(),
            "probability": made.probability[first],
        }
    ).to_parquet(folder / "target.parquet", index=False)
