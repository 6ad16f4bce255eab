"""The recorded-log world: real people, known truth.

A request is one user's interactions in one period; its eligible set is the items of those
interactions. The policy under test draws a slate; only the shown items' outcomes leave the
world, at the instant they were recorded, with the propensities of the draw. Because the
log knows every eligible item's outcome, the true value of any policy can be computed.

Caveat, wherever a value is shown: eligible sets are what people chose to rate, not a whole
catalogue, so values compare policies and do not forecast a live site.
"""

import json
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from components.domain import (
    DAY,
    WEEK,
    Bools,
    Doubles,
    Examples,
    FeatureSpec,
    Floats,
    Ints,
    Prediction,
    Window,
    iso,
)
from components.ingest.interactions import LogTables
from components.ranker.features import RECENT
from components.ranker.history import History, with_recent

PERIODS = {"day": DAY, "week": WEEK}


class Encoding(Protocol):
    """Raw ids to examples."""

    @property
    def spec(self) -> FeatureSpec: ...

    def encode(
        self, user_ids: np.ndarray, item_ids: np.ndarray, at: Ints, context: dict[str, np.ndarray]
    ) -> Examples: ...


class Predicting(Protocol):
    """The slow learner."""

    def predict(self, examples: Examples) -> Prediction: ...


class Remembering(Protocol):
    """The fast learner."""

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats: ...

    def write(self, examples: Examples, prediction: Prediction, reward: Floats, grade: Floats | None) -> None: ...


class ShownSlates(Protocol):
    """Slates as entries; see `components.policy.plackett_luce.Shown`."""

    @property
    def entry(self) -> Ints: ...

    @property
    def position(self) -> Ints: ...

    @property
    def request(self) -> Ints: ...


class Drawn(Protocol):
    """Slates with propensities; see `components.policy.plackett_luce.Slates`."""

    @property
    def shown(self) -> ShownSlates: ...

    @property
    def propensity(self) -> Doubles: ...


class Drawing(Protocol):
    """The policy."""

    def sample(self, scores: Floats, offsets: Ints, slate_size: Ints, rng: np.random.Generator) -> Drawn: ...


class Player(Protocol):
    """What plays: a generation as it would be served."""

    @property
    def generation(self) -> int: ...

    @property
    def encoder(self) -> Encoding: ...

    @property
    def model(self) -> Predicting: ...

    @property
    def memory(self) -> Remembering: ...

    @property
    def policy(self) -> Drawing: ...

    @property
    def history(self) -> History | None: ...


class WorldSettings(BaseModel):
    """How the recorded log is played."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
class Log:
    """Interactions in order of time: n rows.

    `grade` says how strong an outcome was, nan where that is unknown; `context` maps a context field to its n
    raw values.
    """

    user_id: np.ndarray
    item_id: np.ndarray
    at: Ints
    reward: Floats
    grade: Floats
    context: dict[str, np.ndarray]

    def between(self, window: Window) -> "Log":
        """The rows of a window."""
        low, high = np.searchsorted(self.at, [window.start, window.cutoff])
        return self.take(np.arange(low, high))

    def take(self, index: Ints) -> "Log":
        """The rows at `index`."""
        context = {name: values[index] for name, values in self.context.items()}
        reward, grade = self.reward[index], self.grade[index]
        return Log(self.user_id[index], self.item_id[index], self.at[index], reward, grade, context)

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one window in order of time.

    Attributes
    ----------
    request_id : (r,) text. at : (r,) instant of the user's first interaction in the period.
    entries : the log's rows as eligible entries, those of request i at ``offsets[i]:offsets[i + 1]``.
    """

    request_id: np.ndarray
    at: Ints
    entries: Log
    offsets: Ints

    @property
    def request_of_entry(self) -> Ints:
        """(nnz,) request of each entry."""
        return np.repeat(np.arange(len(self.at)), np.diff(self.offsets))


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


def make_requests(log: Log, window: Window, period: int) -> Requests:
    """Group a window's interactions into requests, one per user, period (microseconds) and scene.

    A request has one context. Interactions whose context differs, such as in the tab they happened in, are of
    different scenes; of numbers, the request knows that of its first interaction. An item met twice by one user in
    one period and scene is one entry, the first.
    """
    rows = log.between(window)
    request = ["user", "period", "scene"]
    frame = pd.DataFrame(
        {
            "user": rows.user_id,
            "item": rows.item_id,
            "period": (rows.at - window.start) // period,
            "scene": _scenes(rows),
            "at": rows.at,
            "row": range(len(rows)),
        }
    ).drop_duplicates([*request, "item"])
    frame["first"] = frame.groupby(request)["at"].transform("min")
    frame = frame.sort_values(["first", *request, "at", "item"], kind="stable")
    same = (frame[request].to_numpy()[1:] == frame[request].to_numpy()[:-1]).all(1)
    starts = np.flatnonzero(np.r_[True, ~same])
    first = frame.iloc[starts]
    request_id = f"{iso(window.start)}+" + first["period"].astype(str) + first["scene"] + "|" + first["user"]
    offsets = np.append(starts, len(frame)).astype(np.int64)
    entries = _as_at_first(rows.take(frame["row"].to_numpy()), offsets)
    return Requests(request_id.to_numpy(object), first["first"].to_numpy(np.int64), entries, offsets)


def _scenes(log: Log) -> np.ndarray:
    """(n,) text of the context of each row, numbers left out; empty where there is none."""
    named = [n for n in sorted(log.context) if not all(v is None or isinstance(v, int | float) for v in log.context[n])]
    scenes = np.full(len(log), "", object)
    for name in named:
        scenes = scenes + np.array([f"|{name}={value}" for value in log.context[name]] + [None], object)[:-1]
    return scenes


def _as_at_first(entries: Log, offsets: Ints) -> Log:
    """The entries with the context of the first of their request."""
    first = np.repeat(offsets[:-1], np.diff(offsets))
    return replace(entries, context={name: values[first] for name, values in entries.context.items()})


def play(log: Log, window: Window, player: Player, rng: np.random.Generator, rules: Rules) -> Played:
    """Play one window against a policy whose memory learns as outcomes arrive.

    Time moves in steps of `rules.lag`: at each step the memory receives the shown
    items' outcomes that have arrived, then the step's requests are answered and the
    step's interactions are scored, all before their own outcomes are known.
    """
    requests = make_requests(log, window, rules.period)
    rows = log.between(window)
    scorer = _Scorer(player, rows, rows.at)
    session = _Session(player, requests, rng, rules)
    steps = np.arange(window.start, window.cutoff, rules.lag)
    row_bounds = np.searchsorted(rows.at, np.append(steps, window.cutoff))
    request_bounds = np.searchsorted(requests.at, np.append(steps, window.cutoff))
    for step, now in enumerate(steps):
        session.deliver(int(now))
        session.answer(slice(*request_bounds[step : step + 2]))
        scorer.score(slice(*row_bounds[step : step + 2]))
    return Played(session.tables(), scorer.scored(rows))


def true_value(probability: Doubles, reward: Doubles | Floats, offsets: Ints) -> float:
    """Expected reward per request of a policy: mean over requests of ``sum_a pi(a) r(a)``.

    Parameters
    ----------
    probability, reward : (nnz,) per entry; offsets : (r + 1,).
    """
    return float(np.add.reduceat(probability * reward, offsets[:-1]).mean())


def random_value(reward: Doubles | Floats, offsets: Ints) -> float:
    """Value of the uniform choice."""
    return float((np.add.reduceat(reward, offsets[:-1]) / np.diff(offsets)).mean())


def oracle_value(reward: Doubles | Floats, offsets: Ints) -> float:
    """Value of a choice that knows every outcome."""
    return float(np.maximum.reduceat(reward, offsets[:-1]).mean())


class _Scorer:
    """Scores interactions as they happen.

    The base model's part is computed once, for its weights stand still, unless it looks at what users liked last:
    `recent` (n, width) is then what each interaction was scored with, raw ids.
    """

    def __init__(self, player: Player, rows: Log, at: Ints) -> None:
        self.player, self.user_id = player, rows.user_id
        self.history = None if RECENT in rows.context else player.history
        self.recent = None if self.history is None else self.history.recent(rows.user_id)
        self.examples = player.encoder.encode(rows.user_id, rows.item_id, at, rows.context)
        self.prediction = player.model.predict(self.examples)
        self.compensated = self.prediction.logit.copy()

    def score(self, rows: slice) -> None:
        if rows.start == rows.stop:
            return
        self._look_back(rows)
        part = Prediction(self.prediction.logit[rows], self.prediction.hidden[rows])
        self.compensated[rows] = self.player.memory.compensate(self.examples.take(rows), part)

    def _look_back(self, rows: slice) -> None:
        if self.recent is None or self.history is None:
            return
        self.recent[rows] = self.history.recent(self.user_id[rows])
        part = with_recent(self.player.encoder.spec, self.examples.take(rows), self.recent[rows])
        self.examples.keys[rows] = part.keys
        prediction = self.player.model.predict(part)
        self.prediction.logit[rows], self.prediction.hidden[rows] = prediction.logit, prediction.hidden

    def scored(self, rows: Log) -> Scored:
        return Scored(rows.at, rows.reward, self.prediction.logit, self.compensated, self.examples)


class _Session:
    """The decisions of one window, and the outcomes on their way."""

    def __init__(self, player: Player, requests: Requests, rng: np.random.Generator, rules: Rules) -> None:
        self.player, self.requests, self.rng, self.rules = player, requests, rng, rules
        request_at = requests.at[requests.request_of_entry]
        self.scorer = _Scorer(player, requests.entries, request_at)
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
        self.player.memory.write(examples, part, entries.reward, entries.grade)
        if self.player.history is not None:
            self.player.history.add(entries.user_id, entries.item_id, entries.at, entries.reward)

    def answer(self, requests: slice) -> None:
        """Draw the slates of the requests `requests`."""
        if requests.start == requests.stop:
            return
        bounds = self.requests.offsets[requests.start : requests.stop + 1]
        self.scorer.score(slice(int(bounds[0]), int(bounds[-1])))
        offsets = bounds - bounds[0]
        size = np.minimum(self.rules.slate_size, np.diff(offsets))
        drawn = self.player.policy.sample(self.scorer.compensated[bounds[0] : bounds[-1]], offsets, size, self.rng)
        entry = drawn.shown.entry + bounds[0]
        self.entry.append(entry)
        self.position.append(drawn.shown.position)
        self.request.append(drawn.shown.request + requests.start)
        self.propensity.append(drawn.propensity)
        self.waiting[entry] = True

    def tables(self) -> LogTables:
        """The decision log, as the warehouse takes it."""
        entries, requests, generation = self.requests.entries, self.requests, self.player.generation
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
                "value": entries.reward[entry].astype(float),
                "grade": entries.grade[entry].astype(float),
                "outcome_at": entries.at[entry],
            }
        )
        return LogTables(self._requests(generation), impressions, outcomes)

    def _requests(self, generation: int) -> pd.DataFrame:
        entries, requests = self.requests.entries, self.requests
        return pd.DataFrame(
            {
                "request_id": requests.request_id,
                "user_id": entries.user_id[requests.offsets[:-1]],
                "at": requests.at,
                "generation": generation,
                "context": self._context(),
                "eligible": np.split(entries.item_id, requests.offsets[1:-1]),
            }
        )

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
