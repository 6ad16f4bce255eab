"""A request for a slate, answered by a served generation and written down before it leaves."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
from pydantic import JsonValue

from bento.log import Log, Receipt
from bento.metrics import note_decisions
from bento.schemas import Explanation, RankRequest, RankResponse, ShownItem
from bento.settings import ServiceSettings
from components.domain import Bools, ContractBroken
from components.feature_spec import FieldKind, FieldOf
from components.ingest.log_lines import RequestLine, ServableLine, ShownLine, impression_id_of
from components.serving.live_memory import LiveMemory, column
from components.serving.retrieval import Retrieval
from components.serving.served import RankRequests, Served

Clock = Callable[[], int]
"""Now, in microseconds UTC."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be answered, by a memory as it is at this moment."""

    body: RankRequest
    live: LiveMemory
    served: Served
    requests: RankRequests
    retrieves: bool = False
    allowed: Bools | None = None

    @property
    def entries(self) -> int:
        """How many items are to be scored: those of the eligible set, or landmarks and candidates, or all there are."""
        landmarks = self.served.landmarks
        if self.retrieves:
            return len(self.served.servable) if landmarks is None else 2 * len(landmarks.rows)
        return len(self.requests.item_id)

    def answered_from(self, items: np.ndarray) -> "Asked":
        """With `items` as its eligible set."""
        requests = replace(self.requests, item_id=items, offsets=np.array([0, len(items)]))
        return replace(self, requests=requests)

    @property
    def kind(self) -> Hashable:
        """What requests have in common that are scored together."""
        lists = any(value.ndim == 1 and isinstance(value[0], list) for value in self.requests.context.values())
        return id(self.served), self.retrieves, *self.requests.context, *((id(self),) if lists else ())


@dataclass(frozen=True, slots=True)
class Decided:
    """A request with its slate: item, compensated score, base logit and propensity by position."""

    asked: Asked
    item_id: list[str]
    score: list[float]
    logit: list[float]
    propensity: list[float]
    because: list[dict[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """An answer and the receipt of its line: it may leave once that is settled."""

    answer: RankResponse
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Scoring:
    """Draws slates and logs them."""

    log: Log
    clock: Clock
    limits: ServiceSettings

    def ask(self, live: LiveMemory, asked: RankRequest) -> Asked:
        """The request, checked and informed.

        Raises
        ------
        ContractBroken
            If it cannot be answered as it is; one line.
        """
        served = live.served
        allowed = None if asked.eligible is not None else _allowed(served, asked)
        retrieves = asked.eligible is None and self._retrieval.needed(_count(served, allowed))
        eligible = self._eligible(served, asked, allowed, retrieves)
        _check_context(served, asked.context)
        at = self.clock()
        context = {name: column([value]) for name, value in asked.context.items() if value is not None}
        offsets = np.array([0, len(eligible)])
        requests = served.informed(RankRequests(column([asked.user_id]), np.array([at]), eligible, offsets, context))
        return Asked(asked, live, served, requests, retrieves, allowed)

    def decide(self, asked: Sequence[Asked], rng: np.random.Generator) -> list[Decided]:
        """A slate for each, drawn together where they ask one generation for the same kinds of context."""
        found: list[Decided | None] = [None] * len(asked)
        together: dict[Hashable, list[int]] = {}
        for at, one in enumerate(asked):
            together.setdefault(one.kind, []).append(at)
        for group in together.values():
            eligible = self._retrieved([asked[at] for at in group], rng)
            for at, decided in zip(group, _decide(eligible, rng), strict=True):
                found[at] = decided
        return [one for one in found if one is not None]

    def _retrieved(self, asked: Sequence[Asked], rng: np.random.Generator) -> list[Asked]:
        """Requests of one kind, with what was retrieved as their eligible sets."""
        if not asked[0].retrieves:
            return list(asked)
        live, served = asked[0].live, asked[0].served
        found = self._retrieval.retrieve(
            served,
            RankRequests.together([one.requests for one in asked]),
            rng,
            [one.allowed for one in asked],
            live.lifted.rows(served),
        )
        return [one.answered_from(served.servable[rows]) for one, rows in zip(asked, found, strict=True)]

    @property
    def _retrieval(self) -> Retrieval:
        limits = self.limits
        return Retrieval(limits.candidates, limits.explored, limits.fresh, limits.lifted)

    def write(self, decided: Decided) -> Logged:
        """The answer, written down.

        Raises
        ------
        Transient
            If the decision cannot be logged: an unlogged decision could never be evaluated.
        """
        asked = decided.asked
        served, body, at = asked.served, asked.body, int(asked.requests.at[0])
        answer = _response(served, decided)
        everything = body.eligible is None and not asked.retrieves and asked.allowed is None and not asked.live.changes
        naming = ServableLine(served.generation, tuple(served.servable.tolist())) if everything else None
        slate = zip(answer.slate, decided.logit, strict=True)
        receipt = self.log.append(
            RequestLine(
                request_id=answer.request_id,
                user_id=body.user_id,
                at=at,
                generation=served.generation,
                known_until=asked.live.known_until,
                learned=asked.live.learned,
                changes=asked.live.changes,
                asides=asked.live.aside.decisions,
                context={name: _logged(value[0]) for name, value in asked.requests.context.items()},
                eligible=None if everything else tuple(asked.requests.item_id.tolist()),
                slate=tuple(
                    ShownLine(s.impression_id, s.item_id, s.position, s.propensity, s.score, logit)
                    for s, logit in slate
                ),
            ),
            at,
            naming,
        )
        return Logged(answer, receipt)

    def _eligible(self, served: Served, asked: RankRequest, allowed: Bools | None, retrieves: bool) -> np.ndarray:
        """Of a request that retrieves none yet."""
        eligible = self._named(served, asked) if asked.eligible is not None else _servable(served, allowed)
        if not len(eligible):
            if asked.exclude or asked.filters or asked.eligible:
                raise ContractBroken("exclude, filters and hidden items leave none of the eligible; one must be left")
            raise ContractBroken("eligible is empty; give at least one item, or leave it out for all servable items")
        most = min(self.limits.candidates if retrieves else len(eligible), self.limits.slate_most)
        if not 1 <= asked.slate_size <= most:
            why = "the number of eligible items" if most == len(eligible) else "EVERCURRENT_SLATE_MOST, _CANDIDATES"
            raise ContractBroken(f"slate_size is {asked.slate_size}; allowed is 1 to {most}, {why}")
        return np.empty(0, object) if retrieves else eligible

    def _named(self, served: Served, asked: RankRequest) -> np.ndarray:
        """The items that the caller names as eligible, without those it excludes and those that are hidden."""
        named, most = asked.eligible or [], self.limits.eligible_most
        if asked.filters:
            raise ContractBroken("eligible and filters are both given; filters are for requests without eligible items")
        if len(named) > most:
            raise ContractBroken(f"eligible names {len(named)} items; allowed are {most} (EVERCURRENT_ELIGIBLE_MOST)")
        if len(set(named)) < len(named):
            twice = next(item for item, count in Counter(named).items() if count > 1)
            raise ContractBroken(f"eligible names item {twice!r} twice; each item once is allowed")
        excluded, catalogue = set(asked.exclude), served.catalogue
        if catalogue is not None and catalogue.gone:
            excluded |= catalogue.gone.intersection(named)
        return column([item for item in named if item not in excluded])


def _servable(served: Served, allowed: Bools | None) -> np.ndarray:
    return served.servable if allowed is None else served.servable[allowed]


def _count(served: Served, allowed: Bools | None) -> int:
    return len(served.servable) if allowed is None else int(allowed.sum())


def _allowed(served: Served, asked: RankRequest) -> Bools | None:
    """(k,) which servable items a request may be answered with; None: all of them."""
    catalogue = served.catalogue
    if catalogue is None or not (asked.exclude or asked.filters or catalogue.hidden is not None):
        return None
    allowed = catalogue.matching(asked.filters)
    excluded = [row for item in asked.exclude if (row := catalogue.row_of.get(item)) is not None]
    allowed[excluded] = False
    return allowed


def _check_context(served: Served, context: Mapping[str, object]) -> None:
    allowed = {f.name: f.kind for f in served.encoder.spec.fields if f.of is FieldOf.CONTEXT}
    for name, value in sorted(context.items()):
        if name not in allowed:
            what = f"allowed is {', '.join(allowed)}" if allowed else "this generation uses no context"
            raise ContractBroken(f"context has {name!r}; {what}")
        several = allowed[name] is FieldKind.MULTI
        if value is not None and isinstance(value, list) is not several:
            what = "a list of texts" if several else "a single value"
            raise ContractBroken(f"context {name!r} is {value!r}; allowed is {what}")


def _logged(value: JsonValue | np.ndarray) -> JsonValue:
    """A value of the context as JSON takes it; of a user's recent items those there are."""
    return [item for item in value if item is not None] if isinstance(value, np.ndarray) else value


def _decide(asked: Sequence[Asked], rng: np.random.Generator) -> Iterator[Decided]:
    """Slates for requests of one kind, drawn in one go."""
    each = [one.requests for one in asked]
    sizes = np.array([one.body.slate_size for one in asked])
    requests = each[0] if len(each) == 1 else RankRequests.together(each)
    made = asked[0].served.decide(requests, sizes, rng)
    note_decisions(asked[0].served, made)
    item, score, logit, propensity = (a.tolist() for a in (made.item_id, made.score, made.logit, made.propensity))
    because = asked[0].served.explain(made) if any(one.body.explain for one in asked) else {}
    end = 0
    for one in asked:
        start, end = end, end + one.body.slate_size
        told = [{name: float(share[at]) for name, share in because.items()} for at in range(start, end)]
        yield Decided(
            one,
            item[start:end],
            score[start:end],
            logit[start:end],
            propensity[start:end],
            told if one.body.explain else None,
        )


def _response(served: Served, made: Decided) -> RankResponse:
    request_id = uuid4().hex
    rows = zip(made.item_id, made.propensity, made.score, strict=True)
    slate = [
        ShownItem(
            impression_id=impression_id_of(request_id, position),
            item_id=item_id,
            position=position,
            propensity=propensity,
            score=score,
            explanation=_explanation(made, position),
        )
        for position, (item_id, propensity, score) in enumerate(rows)
    ]
    return RankResponse(request_id=request_id, generation=served.generation, slate=slate)


def _explanation(made: Decided, position: int) -> Explanation | None:
    if made.because is None:
        return None
    return Explanation(base=made.logit[position], memory=made.because[position])
