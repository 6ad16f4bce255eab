"""Prequential replay: predict a slot, then learn what has become known. One schedule, many correctors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from benchmarks.adaptation_arms import (
    ALL_VIEWS,
    Arm,
    Network,
    Nothing,
    Remembering,
    Schedule,
    published,
    remembering,
)
from benchmarks.adaptation_log import Log
from benchmarks.adaptation_measure import Figures, calibration_error, grouped_auc, log_loss
from components.auc import auc
from components.domain import DAY, HOUR, WEEK, Ints, Matured, Prediction
from components.feature_spec import FeatureSpec
from components.memory.memory import ErrorMemory, MemorySettings
from components.memory.neighbour_statistics import NeighbourStatistics, reloop2
from components.ranker.history import history_width, with_history
from components.ranker.settings import RankerSettings
from components.sigmoid import sigmoid
from components.update.settings import UpdateSettings
from components.update.train import pretrain

EXACT_ROWS = 100_000
"""Rows up to which exact neighbours are asked without `full`: their time grows with the square of the log."""
STRENGTHS = (0.1, 0.2, 0.4, 0.7, 0.9)
"""Strengths of ReLoop2 that are tried on the pre-training stretch; the paper reports 0.9 and 0.4."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed.

    Attributes
    ----------
    starts : first rows of the slots; the last is the end.
    delay : microseconds until an outcome is known.
    full : also the arms that take long, of the neighbours and of all views together.
    """

    log: Log
    starts: Ints
    delay: int
    seed: int
    schedules: tuple[Schedule, ...]
    full: bool

    def known(self, start: int) -> int:
        """Rows whose outcomes are known when the slot that begins at row `start` is predicted."""
        if self.delay == 0:
            return start
        at = self.log.data.examples.at
        return min(int(np.searchsorted(at, at[start] - self.delay, "right")), start)


@dataclass(frozen=True, slots=True)
class Done:
    """An arm that has been replayed: its figures and its probabilities on the stretch."""

    name: str
    figures: Figures
    arm: Arm


def slot_starts(log: Log, slot: str, stop: int) -> Ints:
    """First rows of the slots of the stretch, and its end; `slot` is a number of rows, or hour, day, week."""
    length = {"hour": HOUR, "day": DAY, "week": WEEK}.get(slot)
    if length is None:
        return np.append(np.arange(log.pretrain, stop, int(slot)), stop)
    at = log.data.examples.at[log.pretrain : stop]
    bins = (at - at[0]) // length
    return np.append(log.pretrain + np.flatnonzero(np.diff(bins, prepend=-1)), stop)


def replay(plan: Plan, say: Callable[[str], None]) -> list[Done]:
    """All arms of one seed."""
    plan = replace(plan, log=replace(plan.log, data=_with_recent(plan)))
    log, before = plan.log, plan.log.data.take(np.s_[: plan.log.pretrain])
    say("pre-training")
    start = perf_counter()
    made = pretrain(log.spec, before, RankerSettings(), UpdateSettings(), plan.seed)
    spent = (made.examples_processed, perf_counter() - start)
    say("choosing the strength of ReLoop2")
    strengths = _strengths(plan)
    out = []
    say("priming the memory")
    primed = remembering(log.spec, made.checkpoint.model.hidden_size, MemorySettings(), before, plan.seed)
    for schedule in plan.schedules:
        first = int(log.data.examples.at[log.pretrain])
        network = Network(
            schedule,
            log.spec,
            log.data,
            plan.seed,
            made.checkpoint.copy(),
            log.pretrain,
            first + int(schedule.every * DAY),
        )
        arms = list(_arms(plan, schedule, primed.memory, strengths))
        _run(plan, network, arms, say)
        out += [_done(plan, network, arm, spent) for arm in arms]
    return out


def _with_recent(plan: Plan) -> Matured:
    """The log with the field `recent`, if it has one, as known when each slot began; before the stretch, at each row.

    Rows take the place of instants: row i knows the outcomes of the first `known` rows.
    """
    data = plan.log.data
    if not history_width(plan.log.spec):
        return data
    known = np.searchsorted(data.examples.at, data.examples.at, "left")
    lengths = np.diff(plan.starts)
    known[plan.starts[0] : plan.starts[-1]] = np.repeat([plan.known(int(s)) for s in plan.starts[:-1]], lengths)
    order = replace(data.examples, at=np.arange(len(data)))
    asked = with_history(plan.log.spec, Matured(order, data.reward), replace(data.examples, at=known), delay=1)
    return replace(data, examples=replace(asked, at=data.examples.at))


def _arms(
    plan: Plan, schedule: Schedule, primed: ErrorMemory, strengths: dict[tuple[str, int], float]
) -> Iterator[Arm]:
    """The arms of a schedule; what `primed` has chosen holds for single views, too."""
    rows = int(plan.starts[-1] - plan.starts[0])
    spec, hidden = plan.log.spec, primed.hidden_size
    history = plan.log.data.take(np.s_[: plan.log.pretrain])
    yield Arm(schedule.name, Nothing(), np.zeros(rows))
    if schedule.name in ("frozen", "warm-day"):
        yield Arm(f"{schedule.name}+memory", Remembering(primed.copy()), np.zeros(rows))
    if schedule.name != "frozen":
        return
    exact = (("neighbours", "-exact"),) if plan.full or rows <= EXACT_ROWS else ()
    for view, suffix in (("sketch", ""), *exact):
        for gamma in (1, 0):
            corrector = published(spec, hidden, plan.seed, view, gamma, strengths[view, gamma])
            yield Arm(f"frozen+reloop2-gamma{gamma}{suffix}", corrector, np.zeros(rows))
    alone = [(name,) for name in ALL_VIEWS if plan.full or name != "neighbours"]
    for views in [*alone, ALL_VIEWS] if plan.full else alone:
        settings = primed.settings.model_copy(update={"choose": False, "views": views})
        name = views[0] if len(views) == 1 else "all-views"
        yield Arm(f"frozen+{name}", remembering(spec, hidden, settings, history, plan.seed), np.zeros(rows))


def _run(plan: Plan, network: Network, arms: list[Arm], say: Callable[[str], None]) -> None:
    data, first = plan.log.data, int(plan.starts[0])
    rows = int(plan.starts[-1]) - first
    logit = np.zeros(rows, np.float32)
    hidden = np.zeros((rows, network.checkpoint.model.hidden_size), np.float32)
    written = first
    every = max(len(plan.starts) // 40, 1)
    for number, (start, stop) in enumerate(zip(plan.starts[:-1], plan.starts[1:], strict=True)):
        now, known = int(data.examples.at[start]), max(plan.known(int(start)), written)
        told = np.s_[written - first : known - first]
        fresh = data.take(np.s_[written:known])
        for arm in arms if len(fresh) else ():
            began = perf_counter()
            arm.corrector.learn(fresh, Prediction(logit[told], hidden[told]))
            arm.write_us.append(1e6 * (perf_counter() - began) / len(fresh))
        written = known
        if network.advance(now, known):
            for arm in arms:
                arm.corrector.rebase(network)
        shown = data.examples.take(np.s_[start:stop])
        prediction = network.checkpoint.model.predict(shown)
        here = np.s_[start - first : stop - first]
        logit[here], hidden[here] = prediction.logit, prediction.hidden
        for arm in arms:
            began = perf_counter()
            arm.probability[here] = arm.corrector.read(shown, prediction)
            arm.read_us.append(1e6 * (perf_counter() - began) / len(shown))
            if number % every == 0 and isinstance(arm.corrector, Remembering):
                arm.trust.append((now, arm.corrector.memory.trust_report()))
        if number % every == 0:
            say(f"{network.schedule.name}: slot {number + 1} of {len(plan.starts) - 1}")


def _done(plan: Plan, network: Network, arm: Arm, spent: tuple[int, float]) -> Done:
    first, stop = int(plan.starts[0]), int(plan.starts[-1])
    reward = plan.log.data.reward[first:stop]
    slot = np.repeat(np.arange(len(plan.starts) - 1), np.diff(plan.starts))
    group = plan.log.user[first:stop] * len(plan.starts) + slot
    figures = Figures(
        auc=auc(reward, arm.probability),
        auc_spread=0.0,
        log_loss=log_loss(reward, arm.probability),
        log_loss_spread=0.0,
        ece=calibration_error(reward, arm.probability),
        gauc=grouped_auc(reward, arm.probability, group),
        examples=spent[0] + network.examples,
        train_seconds=spent[1] + network.seconds,
        update_examples=network.examples,
        update_seconds=network.seconds,
        memory_bytes=arm.corrector.nbytes,
        read_us=float(np.median(arm.read_us)),
        write_us=float(np.median(arm.write_us)) if arm.write_us else 0.0,
    )
    return Done(arm.name, figures, arm)


def _strengths(plan: Plan) -> dict[tuple[str, int], float]:
    """Best strength of each published arm by log loss: trained on the first half of the pre-training stretch."""
    log = plan.log
    half = log.pretrain // 2
    made = pretrain(log.spec, log.data.take(np.s_[:half]), RankerSettings(), UpdateSettings(), plan.seed)
    rest = log.data.take(np.s_[half : log.pretrain])
    said = made.checkpoint.model.predict(rest.examples)
    step = max(int(np.median(np.diff(plan.starts))), 1)
    best = {}
    for view in ("sketch", "neighbours"):
        statistics = _statistics(log.spec, rest, said, step, view, plan.seed)
        for gamma in (1, 0):
            p = sigmoid(said.logit)
            losses = [log_loss(rest.reward, reloop2(p, statistics, gamma, strength)) for strength in STRENGTHS]
            best[view, gamma] = STRENGTHS[int(np.argmin(losses))]
    return best


def _statistics(
    spec: FeatureSpec, rest: Matured, said: Prediction, step: int, view: str, seed: int
) -> NeighbourStatistics:
    """What a view recalls of every row before its step is told; does not depend on the strength."""
    corrector = published(spec, said.hidden.shape[1], seed, view, 1, 1)
    parts = []
    for start in range(0, len(rest), step):
        here = np.s_[start : start + step]
        rows, part = rest.examples.take(here), Prediction(said.logit[here], said.hidden[here])
        parts.append(corrector.view.statistics(rows, part))
        corrector.learn(rest.take(here), part)
    return NeighbourStatistics(
        *(np.concatenate([getattr(r, name) for r in parts]) for name in NeighbourStatistics.__slots__)
    )
