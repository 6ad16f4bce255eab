"""A generation as it is served: raw ids in, decisions out, outcomes back into the memory.

The service, the recorded-log world and the off-policy evaluation hold the very same
object, so that what is evaluated is what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn, Protocol

import numpy as np
import pandas as pd

from components.domain import Doubles, Examples, Floats, Ints, Prediction
from components.feature_spec import FeatureSpec, FieldKind, FieldOf
from components.ingest.log_lines import user_digest
from components.ingest.reward_rule import RewardRule
from components.policy.plackett_luce import PlackettLuce
from components.policy.slates import Slates
from components.ranker.features import RECENT, Attributes, Encoder
from components.ranker.forward import Forward
from components.ranker.history import History
from components.serving.appraisal import Appraisal, appraised
from components.serving.catalogue import Catalogue
from components.serving.landmarks import Landmarks

Told = Mapping[str, object]
"""Attributes by the names of their fields."""


class Ranker(Protocol):
    """The slow learner: see `components.ranker.model`."""

    def predict(self, examples: Examples) -> Prediction:
        """Logit and hidden state; reading never grows a table."""
        ...


class Memory(Protocol):
    """The fast learner: see `components.memory.memory`."""

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats:
        """(n,) compensated logits."""
        ...

    def explain(self, examples: Examples, prediction: Prediction) -> Mapping[str, Doubles]:
        """What `compensate` adds to the base logit, (n,) by name."""
        ...

    def log_amount(self, examples: Examples) -> Doubles | None:
        """(n,) log of the expected amount given a reward; None where rewards are yes or no."""
        ...

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats, grade: Floats | None) -> None:
        """Learn outcomes, in order of arrival."""
        ...

    def copy(self) -> "Memory":
        """An independent memory with the same content."""
        ...


class Unread:
    """Stands where a memory was left on the disk."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"this generation was read without its memory, which was asked for {name}")


@dataclass(frozen=True, slots=True)
class RankRequests:
    """n requests with their eligible sets.

    Attributes
    ----------
    user_id, at : (n,) raw ids, and microseconds.
    item_id, offsets : (nnz,) eligible items of all requests, and (n + 1,) bounds.
    context : context field -> (n,) raw values; absent fields are missing.
    """

    user_id: np.ndarray
    at: Ints
    item_id: np.ndarray
    offsets: Ints
    context: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        user_ids: Sequence[str] | np.ndarray,
        at: Ints,
        eligible: Sequence[Sequence[str] | np.ndarray],
        context: Mapping[str, np.ndarray] | None = None,
    ) -> "RankRequests":
        """From one list of item ids per request."""
        lengths = [len(items) for items in eligible]
        items = np.concatenate([np.asarray(i, object) for i in eligible]) if lengths else np.empty(0, object)
        bounds = np.append(0, np.cumsum(np.asarray(lengths, np.int64)))
        return cls(np.asarray(user_ids, object), np.asarray(at, np.int64), items, bounds, context or {})

    @classmethod
    def together(cls, several: Sequence["RankRequests"]) -> "RankRequests":
        """One after the other; all have the same fields of context."""
        sizes = np.concatenate([np.diff(one.offsets) for one in several])
        return cls(
            np.concatenate([one.user_id for one in several]),
            np.concatenate([one.at for one in several]),
            np.concatenate([one.item_id for one in several]),
            np.append(0, np.cumsum(sizes)),
            {name: np.concatenate([one.context[name] for one in several]) for name in several[0].context},
        )

    def encode(self, encoder: Encoder) -> Examples:
        """(nnz,) examples, one per eligible entry."""
        return encoder.encode(self.user_id, self.item_id, self.at, self.context, self.request)

    @property
    def request(self) -> Ints:
        """(nnz,) request of each entry."""
        return np.repeat(np.arange(len(self.at)), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class ScoredEntries:
    """Eligible entries with the base prediction and the memory's correction of it.

    Attributes
    ----------
    examples, prediction : (nnz,) as the ranker saw and scored them.
    appraisal : (nnz,) compensated logits, and what the policy ranks by.
    offsets : (n + 1,) entries of each request.
    """

    examples: Examples
    prediction: Prediction
    appraisal: Appraisal
    offsets: Ints

    @property
    def score(self) -> Doubles:
        """(nnz,) compensated logits."""
        return np.asarray(self.appraisal.score, np.float64)


@dataclass(frozen=True, slots=True)
class Decisions:
    """Slates for requests: per shown position, in order of request and position.

    `item_id`, `logit` (base), `score` (compensated), `propensity` (given the prefix), all (m,).
    """

    scored: ScoredEntries
    slates: Slates
    item_id: np.ndarray

    @property
    def logit(self) -> Floats:
        """(m,) base logit of each shown item."""
        return self.scored.prediction.logit[self.slates.shown.entry]

    @property
    def score(self) -> Doubles:
        """(m,) compensated logit of each shown item."""
        return self.scored.score[self.slates.shown.entry]

    @property
    def propensity(self) -> Doubles:
        """(m,) propensity of each shown position."""
        return self.slates.propensity


@dataclass(frozen=True, slots=True)
class KnownOutcomes:
    """m impressions with their rewards, in order of arrival.

    `at` is the instant the outcome became known; `grade` how strong it was, nan where that is unknown;
    `context` as in `RankRequests`, per row.
    """

    user_id: np.ndarray
    item_id: np.ndarray
    at: Ints
    reward: Floats
    grade: Floats
    context: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served:
    """One generation, ready to decide. Everything but the memory and the history stands still.

    `servable` (k,) are the ids a request without an eligible set is answered from; a request for some of
    them is encoded and scored from `catalogue`, if there is one. `landmarks` find the best of many items, `freshest`
    (m,) are rows of the newest. `history` is
    what every user liked last, if the field `recent` is among those of the encoder. `forgotten` are digests of users
    and the instants from which on they are somebody new: whatever is known under their ids is of before.
    """

    generation: int
    cutoff: int
    encoder: Encoder
    model: Ranker
    memory: Memory
    policy: PlackettLuce
    outcome: RewardRule
    servable: np.ndarray
    catalogue: Catalogue | None = None
    history: History | None = None
    landmarks: Landmarks | None = None
    freshest: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    forgotten: Mapping[str, int] = field(default_factory=dict)

    def informed(self, requests: RankRequests) -> RankRequests:
        """The requests with what their users liked last as their context `recent`, unless they bring one.

        It belongs into the decision log: only with it can the decision be encoded again as it was made.
        """
        if self.history is None or RECENT in requests.context:
            return requests
        return replace(
            requests, context={**requests.context, RECENT: self.history.recent(self.known_as(requests.user_id))}
        )

    def appraise(self, examples: Examples, prediction: Prediction | None = None) -> Appraisal:
        """n entries with what the policy ranks them by: the one scoring path of service, worlds and gate.

        `prediction` is the ranker's own for the same examples, where it is known already. Mutates nothing.
        """
        if prediction is None:
            found = appraised(self.model.predict, self.memory, examples)
            return replace(found, score=found.score.astype(np.float64))
        score = self.memory.compensate(examples, prediction).astype(np.float64)
        return Appraisal(score, self.memory.log_amount(examples))

    def score_eligible(self, requests: RankRequests) -> ScoredEntries:
        """Base and compensated logits of every eligible entry, and what it is worth; mutates nothing."""
        examples, known = self._encode(requests)
        prediction = self.model.predict(examples) if known is None else known
        return ScoredEntries(examples, prediction, self.appraise(examples, prediction), requests.offsets)

    def decide(self, requests: RankRequests, slate_size: int | Ints, rng: np.random.Generator) -> Decisions:
        """Draw a slate for every request.

        Raises
        ------
        ValueError
            If an eligible set is empty, or a slate is asked for that it cannot fill.
        """
        scored = self.score_eligible(requests)
        slates = self.policy.sample(scored.appraisal.preference, requests.offsets, slate_size, rng)
        return Decisions(scored, slates, requests.item_id[slates.shown.entry])

    def explain(self, made: Decisions) -> Mapping[str, Doubles]:
        """What of the memory moved each shown item's score, (m,) by name; their sum is score less base logit."""
        entry, scored = made.slates.shown.entry, made.scored
        shown = Prediction(scored.prediction.logit[entry], scored.prediction.hidden[entry])
        return self.memory.explain(scored.examples.take(entry), shown)

    def learn(self, outcomes: KnownOutcomes) -> None:
        """Write outcomes into the memory, with this generation's own prediction, and likes into the history.

        The weights stand still while a generation serves and were made before these
        outcomes, so the prediction is prequential whenever it is computed.
        """
        if not len(outcomes.at):
            return
        examples = self.encoder.encode(self.known_as(outcomes.user_id), outcomes.item_id, outcomes.at, outcomes.context)
        self.learn_predicted(outcomes, examples, self.model.predict(examples))

    def learn_predicted(self, outcomes: KnownOutcomes, examples: Examples, prediction: Prediction) -> None:
        """`learn` where the outcomes' examples are encoded and predicted already, before the outcomes were known."""
        self.memory.learn(examples, prediction, outcomes.reward, outcomes.grade)
        if self.history is not None:
            self.history.learn(self.known_as(outcomes.user_id), outcomes.item_id, outcomes.at, outcomes.reward)

    def _encode(self, requests: RankRequests) -> tuple[Examples, Prediction | None]:
        """The eligible entries as examples; where the catalogue knows all of them, with their prediction."""
        if self.forgotten:
            requests = replace(requests, user_id=self.known_as(requests.user_id))
        rows = None if self.catalogue is None else self.catalogue.rows(requests.item_id)
        if self.catalogue is None or rows is None:
            return requests.encode(self.encoder), None
        asked = self.catalogue.ask(requests.user_id, requests.at, requests.context, requests.request, rows)
        return self.catalogue.examples(asked), self.catalogue.predict(asked)

    def changed(
        self, items: Mapping[str, Mapping[str, object] | None], users: Mapping[str, Mapping[str, object]]
    ) -> "Served":
        """With other attributes of items and users; an item of None is not served any more. Costs a copy."""
        spec, shown = self.encoder.spec, {item: told for item, told in items.items() if told is not None}
        encoder = replace(
            self.encoder,
            items=self.encoder.items.changed(_attributes(spec, FieldOf.ITEM, shown)),
            users=self.encoder.users.changed(_attributes(spec, FieldOf.USER, users)),
        )
        if self.catalogue is None:
            if not shown:
                return replace(self, encoder=encoder)
            forward = self.model if isinstance(self.model, Forward) else None
            first = Catalogue.of(encoder, np.array(list(shown), object), forward)
            return replace(self, encoder=encoder, catalogue=first, servable=first.items)
        hidden = [item for item, told in items.items() if told is None]
        catalogue = self.catalogue.changed(encoder, list(shown), hidden)
        new = np.arange(len(self.servable), len(catalogue.items))
        return replace(
            self, encoder=encoder, catalogue=catalogue, servable=catalogue.items, freshest=np.append(self.freshest, new)
        )

    def without(self, forgotten: Mapping[str, int]) -> "Served":
        """Without what it knows of users by digest; they are somebody new to it from an instant on."""
        return replace(self, forgotten={**self.forgotten, **forgotten})

    def known_as(self, user_id: np.ndarray) -> np.ndarray:
        """(n,) raw ids under which users are known: their own, but of those who were forgotten."""
        if not self.forgotten:
            return user_id
        known = np.empty(len(user_id), object)
        for row, user in enumerate(user_id.tolist()):
            since = self.forgotten.get(user_digest(user))
            known[row] = user if since is None else f"{user}\x00{since}"
        return known

    def with_memory(self, memory: Memory) -> "Served":
        """The same generation with another memory."""
        return replace(self, memory=memory)

    def fork(self) -> "Served":
        """The same generation with a memory and a history of its own, so that learning leaves this one as it is."""
        history = None if self.history is None else self.history.copy()
        return replace(self, memory=self.memory.copy(), history=history)


def _attributes(spec: FeatureSpec, of: FieldOf, told: Mapping[str, Told]) -> Attributes:
    """Of some users, or items; what is not told is missing."""
    frame = pd.DataFrame({of.value: pd.Series(list(told), dtype=object)})
    for field_ in spec.fields:
        if field_.of is of and field_.name != of.value:
            values = [one.get(field_.name) for one in told.values()]
            numeric = field_.kind is FieldKind.NUMERIC
            frame[field_.name] = pd.Series(values, dtype="float64" if numeric else object)
    return Attributes.build(frame, of.value, spec, of)
