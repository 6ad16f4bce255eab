"""Which of all servable items a request without an eligible set is answered from.

Over ten thousand items a temperature that follows the order among a hundred is nearly a coin: the many middling items
outweigh the few good ones together. So candidates are retrieved first: the best by score, found by landmarks
(`components/serving/landmarks.py`) or, in a small catalogue, by scoring it; some of the freshest items, of which a
score knows least; items that the memory has lifted since the index was made; and others drawn evenly, which keeps
every item possible. The slate is drawn from those alone. They are the request's eligible set, logged as such: given
them its propensities are exact, and what is judged is the ranking of what was retrieved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.domain import Bools, Doubles, Ints
from components.policy.plackett_luce import PlackettLuce
from components.ranker.forward import Forward
from components.ranker.vocabulary import Vocabulary
from components.serving.landmarks import BEST, JUDGES, SAMPLE, Found, Landmarks
from components.serving.served import RankRequests, Served

FRESH_POOL = 100
"""So many of the newest items count as fresh, and all that no log has shown yet."""
SMALL = 1_000
"""Catalogues up to this size are scored whole: that takes a millisecond."""
AT_ONCE = 4
"""Users whose scores of a whole catalogue are computed together."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How many `candidates`, which share of them is drawn evenly, and how many at most are fresh, and lifted."""

    candidates: int = 100
    explored: float = 0.1
    fresh: int = 5
    lifted: int = 5

    def needed(self, servable: int) -> bool:
        """Whether there is more to choose from than candidates."""
        return servable > self.candidates

    def retrieve(
        self,
        served: Served,
        asked: RankRequests,
        rng: np.random.Generator,
        allowed: Sequence[Bools | None] | None = None,
        lifted: Ints | None = None,
    ) -> list[Ints]:
        """Rows of `served.servable` for each request: best first, then fresh, lifted and drawn ones.

        Parameters
        ----------
        asked : requests whose eligible items are all servable ones.
        allowed : (k,) per request which servable items it may be answered with; none: all.
        lifted : rows of items that the memory has lifted, first the most.
        """
        masks = [None] * len(asked.at) if allowed is None else list(allowed)
        best = self._best(served, asked, masks)
        return [self._joined(served, best[n], mask, rng, lifted) for n, mask in enumerate(masks)]

    def _best(self, served: Served, asked: RankRequests, masks: Sequence[Bools | None]) -> list[Ints]:
        if served.landmarks is None:
            return [self._scored(served, _only(asked, n), mask) for n, mask in enumerate(masks)]
        rows = served.landmarks.rows
        near = _asking(asked, served.servable[rows])
        scores = served.score_eligible(near).appraisal.preference.reshape(-1, len(rows)).astype(np.float64)
        if all(mask is None for mask in masks):
            return list(served.landmarks.nearest(scores, self.candidates))
        return [served.landmarks.nearest(scores[n : n + 1], self.candidates, mask)[0] for n, mask in enumerate(masks)]

    def _scored(self, served: Served, asked: RankRequests, mask: Bools | None) -> Ints:
        preference = served.score_eligible(_asking(asked, served.servable)).appraisal.preference
        rows = np.arange(len(preference)) if mask is None else np.flatnonzero(mask)
        kept = rows[np.argsort(-preference[rows], kind="stable")[: self.candidates]]
        return np.asarray(kept)

    def _joined(
        self, served: Served, best: Ints, mask: Bools | None, rng: np.random.Generator, lifted: Ints | None
    ) -> Ints:
        size = min(self.candidates, len(best))
        drawn = min(round(self.explored * self.candidates), size - 1)
        beside = [] if lifted is None else _among(lifted, mask)[: self.lifted].tolist()
        pool = _among(served.freshest, mask)
        beside += pool[rng.integers(0, len(pool), self.fresh)].tolist() if len(pool) else []
        head = set(best[: size - drawn].tolist())
        others = [row for row in dict.fromkeys(beside) if row not in head]
        others = others[: max(size - drawn - 1, 0)]
        chosen = best[: size - drawn - len(others)].tolist() + others
        return np.array(chosen + _evenly(len(served.servable), set(chosen), mask, drawn, rng), np.int64)


def fit(served: Served, retrieval: Retrieval, seed: int) -> tuple[Landmarks, Found] | None:
    """Landmarks of a generation, and how well they find; None where the catalogue is small, nobody is known to ask,
    or scores are no numbers.

    Users are those of whom likes or attributes are known, and somebody unknown.
    """
    rng = np.random.default_rng(seed)
    known = served.encoder.users.ids.to_numpy() if served.history is None else served.history.users
    if len(served.servable) <= max(SMALL, retrieval.candidates) or len(known) < SAMPLE:
        return None
    people = np.append(rng.permutation(known)[: SAMPLE + JUDGES], "").astype(object)
    sample, judges = people[: SAMPLE - 1], people[SAMPLE - 1 :]
    scores = _scores(served, sample)
    if not np.isfinite(scores).all():  # a network that came apart, which the gate will say no to
        return None
    landmarks = Landmarks.fit(scores, rng)
    return landmarks, _judged(replace(served, landmarks=landmarks), retrieval, judges, rng)


def freshest(served: Served) -> Ints:
    """(m,) rows of the servable items that appeared last in the data, or never; none where that is not known."""
    model = served.model
    if not isinstance(model, Forward) or not isinstance(model.vocabulary, Vocabulary) or served.catalogue is None:
        return np.empty(0, np.int64)
    column = served.encoder.spec.columns[served.encoder.spec.fields[1].name].start
    keys = np.ascontiguousarray(served.catalogue.encoded.keys[:, column])
    rows = model.vocabulary.find(keys[:, None], np.zeros(1, np.int64))[:, 0]
    seen = model.vocabulary.seen(rows)
    first = np.where(seen.keys == keys, seen.first, np.iinfo(np.int64).max)
    newest = np.sort(first)[::-1][min(FRESH_POOL, len(first)) - 1] if len(first) else 0
    return np.flatnonzero(first >= newest)


def _judged(served: Served, retrieval: Retrieval, judges: np.ndarray, rng: np.random.Generator) -> Found:
    scores, asked = _scores(served, judges), _requests(served, judges)
    best = np.argsort(-scores, 1)[:, :BEST]
    found = retrieval.retrieve(served, asked, rng)
    near = [rows[: retrieval.candidates] for rows in found]
    policy: PlackettLuce = served.policy
    worth, greedy = 0.0, 0.0
    for n, rows in enumerate(near):
        one = RankRequests.of(asked.user_id[n : n + 1], asked.at[n : n + 1], [served.servable[rows]])
        scored = served.score_eligible(served.informed(one))
        drawn = policy.sample(scored.appraisal.preference, one.offsets, BEST, rng).shown.entry
        whole = RankRequests.of(asked.user_id[n : n + 1], asked.at[n : n + 1], [served.servable[best[n]]])
        worth += float(scored.appraisal.expected[drawn].sum())
        greedy += float(served.score_eligible(served.informed(whole)).appraisal.expected.sum())
    return Found(
        items=len(served.servable),
        sample=SAMPLE,
        judges=len(judges),
        candidates=retrieval.candidates,
        recall=float(np.mean([np.isin(wanted, rows).mean() for wanted, rows in zip(best, near, strict=True)])),
        kept=worth / greedy if greedy else 1.0,
    )


def _scores(served: Served, people: np.ndarray) -> Doubles:
    """(s, k) what each of some users' requests would be ranked by, over all servable items."""
    parts = []
    for at in range(0, len(people), AT_ONCE):
        asked = _requests(served, people[at : at + AT_ONCE])
        told = served.score_eligible(_asking(asked, served.servable)).appraisal.preference
        parts.append(told.reshape(len(asked.at), -1).astype(np.float64))
    return np.concatenate(parts)


def _requests(served: Served, people: np.ndarray) -> RankRequests:
    at = np.full(len(people), served.cutoff)
    return served.informed(RankRequests(people, at, np.empty(0, object), np.zeros(len(people) + 1, np.int64)))


def _asking(asked: RankRequests, items: np.ndarray) -> RankRequests:
    """The same requests, each for all of `items`."""
    several = len(asked.at)
    every = items if several == 1 else np.tile(items, several)
    return replace(asked, item_id=every, offsets=np.arange(several + 1) * len(items))


def _only(asked: RankRequests, n: int) -> RankRequests:
    one = slice(n, n + 1)
    context = {name: values[one] for name, values in asked.context.items()}
    return RankRequests(asked.user_id[one], asked.at[one], np.empty(0, object), np.zeros(2, np.int64), context)


def _among(rows: Ints, mask: Bools | None) -> Ints:
    return rows if mask is None else rows[mask[rows]]


def _evenly(k: int, taken: set[int], mask: Bools | None, count: int, rng: np.random.Generator) -> list[int]:
    """`count` of the items 0 .. k - 1 that are allowed and not taken, each as likely as any other."""
    allowed = k if mask is None else int(mask.sum())
    if allowed - len(taken) < 4 * count:  # few are left: draw from a list of them
        rest = [row for row in (range(k) if mask is None else np.flatnonzero(mask).tolist()) if row not in taken]
        return [int(row) for row in rng.permutation(np.array(rest, np.int64))[:count]]
    out: dict[int, None] = {}
    rows = None if mask is None else np.flatnonzero(mask)
    while len(out) < count:
        for draw in rng.integers(0, allowed, count).tolist():
            row = draw if rows is None else int(rows[draw])
            if row not in taken and len(out) < count:
                out[row] = None
    return list(out)
