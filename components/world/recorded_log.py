"""The recorded-log world: real people, known truth.

A request is one user's interactions in one period; its eligible set is the items of those
interactions. The policy under test draws a slate; only the shown items' outcomes leave the
world, at the instant they were recorded, with the propensities of the draw. Because the
log knows every eligible item's outcome, the true value of any policy can be computed.

Caveat, wherever a value is shown: eligible sets are what people chose to rate, not a whole
catalogue, so values compare policies and do not forecast a live site.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pydantic import Field

from components.domain import DAY, WEEK, Bools, Doubles, Examples, Floats, Ints, Prediction, Window
from components.frozen import Frozen
from components.ingest.interactions import LogTables
from components.ranker.features import RECENT
from components.ranker.history import with_recent
from components.serving.served import KnownOutcomes, Served
from components.world.requests import Log, Requests, make_requests

PERIODS = {"day": DAY, "week": WEEK}


class WorldSettings(Frozen):
    """How the recorded log is played."""

    lag: float = Field(default=1800.0, gt=0)
    """Seconds between an outcome's arrival and the memory knowing it, at most. The service needs about one, so a
    replay understates the memory; half an hour keeps a week of play to 336 steps."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How requests arise: one per user and `period`, of `slate_size` items; time moves by `lag` (microseconds)."""

    period: int
    slate_size: int
    lag: int
    outcome_kind: str


@dataclass(frozen=True, slots=True)
class Scored:
    """All interactions of a window, each scored before its outcome was known: n rows."""

    at: Ints
    reward: Floats
    champion: Floats
    champion_with_memory: Floats
    examples: Examples


@dataclass(frozen=True, slots=True)
class Played:
    """What one window of play leaves: the decision log, and the scores of every interaction."""

    log: LogTables
    scored: Scored


@dataclass(frozen=True)
class Beside:
    """A generation that answers some users in the champion's place: `serves` says of n user ids which."""

    served: Served
    serves: Callable[[Iterable[str]], Bools]


def play(
    log: Log, window: Window, served: Served, rng: np.random.Generator, rules: Rules, beside: Beside | None = None
) -> Played:
    """Play one window against a policy whose memory learns as outcomes arrive.

    Time moves in steps of `rules.lag`: at each step the memory receives the shown
    items' outcomes that have arrived, then the step's requests are answered and the
    step's interactions are scored, all before their own outcomes are known. With a generation
    `beside`, each answers its own users, and both memories learn from all.
    """
    requests = make_requests(log, window, rules.period)
    rows = log.between(window)
    scorer = _Scorer(served, rows, rows.at)
    sessions = _sessions(served, requests, rng, rules, beside)
    steps = np.arange(window.start, window.cutoff, rules.lag)
    row_bounds = np.searchsorted(rows.at, np.append(steps, window.cutoff))
    request_bounds = np.searchsorted(requests.at, np.append(steps, window.cutoff))
    for step, now in enumerate(steps):
        for session in sessions:
            session.deliver(int(now))
        shown = np.concatenate([s.answer(slice(*request_bounds[step : step + 2])) for s in sessions])
        for session in sessions:
            session.waiting[shown] = True
        scorer.score(slice(*row_bounds[step : step + 2]))
    return Played(_together([session.tables() for session in sessions]), scorer.scored(rows))


def _sessions(
    served: Served, requests: Requests, rng: np.random.Generator, rules: Rules, beside: Beside | None
) -> "list[_Session]":
    """The champion's session, and the one of who is beside it."""
    if beside is None:
        return [_Session(served, requests, rng, rules, np.ones(len(requests.at), bool))]
    theirs = beside.serves(requests.entries.user_id[requests.offsets[:-1]])
    other = _Session(beside.served, requests, rng.spawn(1)[0], rules, theirs)
    return [_Session(served, requests, rng, rules, ~theirs), other]


def _together(tables: list[LogTables]) -> LogTables:
    """One decision log, in order of time."""
    if len(tables) == 1:
        return tables[0]
    instants = {"requests": "at", "impressions": "at", "outcomes": "outcome_at"}
    whole = {name: pd.concat([getattr(t, name) for t in tables]) for name in instants}
    return LogTables(**{n: t.sort_values(instants[n], kind="stable", ignore_index=True) for n, t in whole.items()})


class _Scorer:
    """Scores interactions as they happen.

    The base model's part is computed once, for its weights stand still, unless it looks at what users liked last:
    `recent` (n, width) is then what each interaction was scored with, raw ids.
    """

    def __init__(self, served: Served, rows: Log, at: Ints) -> None:
        self.served, self.user_id = served, rows.user_id
        self.history = None if RECENT in rows.context else served.history
        self.recent = None if self.history is None else self.history.recent(rows.user_id)
        self.examples = served.encoder.encode(rows.user_id, rows.item_id, at, rows.context)
        self.prediction = served.model.predict(self.examples)
        self.compensated = self.prediction.logit.copy()
        self.preference = self.prediction.logit.astype(np.float64)

    def score(self, rows: slice) -> None:
        if rows.start == rows.stop:
            return
        self._look_back(rows)
        part = Prediction(self.prediction.logit[rows], self.prediction.hidden[rows])
        appraisal = self.served.appraise(self.examples.take(rows), part)
        self.compensated[rows], self.preference[rows] = appraisal.score, appraisal.preference

    def _look_back(self, rows: slice) -> None:
        if self.recent is None or self.history is None:
            return
        self.recent[rows] = self.history.recent(self.user_id[rows])
        part = with_recent(self.served.encoder.spec, self.examples.take(rows), self.recent[rows])
        self.examples.keys[rows] = part.keys
        prediction = self.served.model.predict(part)
        self.prediction.logit[rows], self.prediction.hidden[rows] = prediction.logit, prediction.hidden

    def scored(self, rows: Log) -> Scored:
        return Scored(rows.at, rows.reward, self.prediction.logit, self.compensated, self.examples)


class _Session:
    """The decisions of one generation in one window, in its (r,) `own` requests, and the outcomes on their way."""

    def __init__(self, served: Served, requests: Requests, rng: np.random.Generator, rules: Rules, own: Bools) -> None:
        self.served, self.requests, self.rng, self.rules, self.own = served, requests, rng, rules, own
        request_at = requests.at[requests.request_of_entry]
        self.scorer = _Scorer(served, requests.entries, request_at)
        self.entry: list[Ints] = []
        self.position: list[Ints] = []
        self.request: list[Ints] = []
        self.propensity: list[Doubles] = []
        self.waiting: Bools = np.zeros(len(requests.entries), bool)

    def deliver(self, now: int) -> None:
        """Let the shown items' outcomes that arrived before `now` be learned, in order of arrival."""
        arrived = np.flatnonzero(self.waiting & (self.requests.entries.at < now))
        if not len(arrived):
            return
        arrived = arrived[np.argsort(self.requests.entries.at[arrived], kind="stable")]
        self.waiting[arrived] = False
        examples = replace(self.scorer.examples.take(arrived), at=self.requests.entries.at[arrived])
        part = Prediction(self.scorer.prediction.logit[arrived], self.scorer.prediction.hidden[arrived])
        entries = self.requests.entries.take(arrived)
        known = KnownOutcomes(entries.user_id, entries.item_id, entries.at, entries.reward, entries.grade)
        self.served.learn_predicted(known, examples, part)

    def answer(self, requests: slice) -> Ints:
        """Draw the slates of the own ones among `requests`; the entries shown."""
        if requests.start == requests.stop:
            return np.empty(0, np.int64)
        bounds = self.requests.offsets[requests.start : requests.stop + 1]
        self.scorer.score(slice(int(bounds[0]), int(bounds[-1])))
        offsets = bounds - bounds[0]
        size = np.minimum(self.rules.slate_size, np.diff(offsets))
        drawn = self.served.policy.sample(self.scorer.preference[bounds[0] : bounds[-1]], offsets, size, self.rng)
        request = drawn.shown.request + requests.start
        own = self.own[request]
        entry: Ints = drawn.shown.entry[own] + bounds[0]
        self.entry.append(entry)
        self.position.append(drawn.shown.position[own])
        self.request.append(request[own])
        self.propensity.append(drawn.propensity[own])
        return entry

    def tables(self) -> LogTables:
        """The decision log, as the warehouse takes it."""
        entries, requests, generation = self.requests.entries, self.requests, self.served.generation
        entry, position, request = (np.concatenate(part) for part in (self.entry, self.position, self.request))
        impression_id = [f"{r}|{p}" for r, p in zip(requests.request_id[request], position, strict=True)]
        impressions = pd.DataFrame(
            {
                "impression_id": impression_id,
                "request_id": requests.request_id[request],
                "item_id": entries.item_id[entry],
                "position": position.astype(np.int32),
                "propensity": np.concatenate(self.propensity),
                "score": self.scorer.compensated[entry].astype(float),
                "logit": self.scorer.prediction.logit[entry].astype(float),
                "generation": generation,
                "logging_policy": f"g{generation:06d}",
                "at": requests.at[request],
            }
        )
        outcomes = pd.DataFrame(
            {
                "impression_id": impression_id,
                "kind": self.rules.outcome_kind,
                "reward": entries.reward[entry].astype(float),
                "grade": entries.grade[entry].astype(float),
                "outcome_at": entries.at[entry],
            }
        )
        return LogTables(self._requests(generation), impressions, outcomes)

    def _requests(self, generation: int) -> pd.DataFrame:
        entries, requests = self.requests.entries, self.requests
        frame = pd.DataFrame(
            {
                "request_id": requests.request_id,
                "user_id": entries.user_id[requests.offsets[:-1]],
                "at": requests.at,
                "generation": generation,
                "context": self._context(),
                "eligible": np.split(entries.item_id, requests.offsets[1:-1]),
            }
        )
        return frame if self.own.all() else frame[self.own].reset_index(drop=True)

    def _context(self) -> list[str] | None:
        """JSON text per request: what the policy knew beside user and items, as the service logs it."""
        first = self.requests.offsets[:-1]
        known = {name: values[first].tolist() for name, values in self.requests.entries.context.items()}
        if self.scorer.recent is not None:
            known[RECENT] = [[item for item in recent if item is not None] for recent in self.scorer.recent[first]]
        if not known:
            return None
        rows = zip(*known.values(), strict=True)
        return [json.dumps({n: v for n, v in zip(known, row, strict=True) if v is not None}) for row in rows]
