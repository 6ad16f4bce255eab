"""A request for a slate, answered by a served generation and written down before it leaves."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
from pydantic import JsonValue

from bento.decision_log import DecisionLog
from bento.schemas import RankRequest, RankResponse, ShownItem
from bento.settings import ServiceSettings
from components.domain import ContractBroken
from components.feature_spec import FieldKind, FieldOf
from components.ingest.log_lines import RequestLine, ShownLine, impression_id_of
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
    requests: RankRequests
    retrieves: bool = False

    @property
    def entries(self) -> int:
        """How many items are to be scored."""
        return len(self.requests.item_id)

    @property
    def kind(self) -> Hashable:
        """What requests have in common that are scored together."""
        lists = any(value.ndim == 1 and isinstance(value[0], list) for value in self.requests.context.values())
        return id(self.live), *self.requests.context, *((id(self),) if lists else ())


@dataclass(frozen=True, slots=True)
class Decided:
    """A request with its slate: item, compensated score, base logit and propensity by position."""

    asked: Asked
    item_id: list[str]
    score: list[float]
    logit: list[float]
    propensity: list[float]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Draws slates and logs them."""

    log: DecisionLog
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
        eligible = self._eligible(served, asked)
        _check_context(served, asked.context)
        at = self.clock()
        context = {name: column([value]) for name, value in asked.context.items() if value is not None}
        requests = served.informed(
            RankRequests(column([asked.user_id]), np.array([at]), eligible, np.array([0, len(eligible)]), context)
        )
        return Asked(asked, live, requests, asked.eligible is None and self._retrieval.needed(len(eligible)))

    def decide(self, asked: Sequence[Asked], rng: np.random.Generator) -> list[Decided]:
        """A slate for each, drawn together where they ask one generation for the same kinds of context."""
        found: list[Decided | None] = [None] * len(asked)
        together: dict[Hashable, list[int]] = {}
        for at, one in enumerate(asked):
            together.setdefault(one.kind, []).append(at)
        for group in together.values():
            retrieved = [self._retrieved(asked[at], rng) for at in group]
            for at, decided in zip(group, _decide(retrieved, rng), strict=True):
                found[at] = decided
        return [one for one in found if one is not None]

    def _retrieved(self, asked: Asked, rng: np.random.Generator) -> Asked:
        """With what was retrieved as its eligible set."""
        if not asked.retrieves:
            return asked
        found = self._retrieval.retrieve(asked.live.served, asked.requests, rng)
        return replace(asked, requests=replace(asked.requests, item_id=found, offsets=np.array([0, len(found)])))

    @property
    def _retrieval(self) -> Retrieval:
        return Retrieval(self.limits.candidates, self.limits.explored)

    def write(self, decided: Decided) -> RankResponse:
        """The answer, written down.

        Raises
        ------
        Transient
            If the decision cannot be logged: an unlogged decision could never be evaluated.
        """
        asked = decided.asked
        served, body, at = asked.live.served, asked.body, int(asked.requests.at[0])
        answer = _response(served, decided)
        everything = body.eligible is None and not asked.retrieves and not body.exclude
        if everything:
            self.log.name_servable(served.generation, served.servable.tolist(), at)
        slate = zip(answer.slate, decided.logit, strict=True)
        self.log.append(
            RequestLine(
                request_id=answer.request_id,
                user_id=body.user_id,
                at=at,
                generation=served.generation,
                known_until=asked.live.known_until,
                learned=asked.live.learned,
                context={name: _logged(value[0]) for name, value in asked.requests.context.items()},
                eligible=None if everything else tuple(asked.requests.item_id.tolist()),
                slate=tuple(
                    ShownLine(s.impression_id, s.item_id, s.position, s.propensity, s.score, logit)
                    for s, logit in slate
                ),
            ),
            at,
        )
        return answer

    def _eligible(self, served: Served, asked: RankRequest) -> np.ndarray:
        most, longest = self.limits.eligible_most, self.limits.slate_most
        eligible = served.servable if asked.eligible is None else column(list(asked.eligible))
        if asked.eligible is not None and len(eligible) > most:
            raise ContractBroken(
                f"eligible names {len(eligible)} items; allowed are {most} (EVERCURRENT_ELIGIBLE_MOST)"
            )
        if asked.eligible is not None and len(set(asked.eligible)) < len(asked.eligible):
            twice = next(item for item, count in Counter(asked.eligible).items() if count > 1)
            raise ContractBroken(f"eligible names item {twice!r} twice; each item once is allowed")
        if asked.exclude:
            eligible = eligible[~np.isin(eligible.astype(str), asked.exclude)]
            if not len(eligible):
                raise ContractBroken("exclude leaves nothing of the eligible items; at least one must be left")
        if not len(eligible):
            raise ContractBroken("eligible is empty; give at least one item, or leave it out for all servable items")
        retrieved = asked.eligible is None and self._retrieval.needed(len(eligible))
        allowed = min(self.limits.candidates if retrieved else len(eligible), longest)
        if not 1 <= asked.slate_size <= allowed:
            why = "the number of eligible items" if allowed == len(eligible) else "EVERCURRENT_SLATE_MOST, _CANDIDATES"
            raise ContractBroken(f"slate_size is {asked.slate_size}; allowed is 1 to {allowed}, {why}")
        return eligible


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
    made = asked[0].live.served.decide(requests, sizes, rng)
    item, score, logit, propensity = (a.tolist() for a in (made.item_id, made.score, made.logit, made.propensity))
    end = 0
    for one in asked:
        start, end = end, end + one.body.slate_size
        yield Decided(one, item[start:end], score[start:end], logit[start:end], propensity[start:end])


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
        )
        for position, (item_id, propensity, score) in enumerate(rows)
    ]
    return RankResponse(request_id=request_id, generation=served.generation, slate=slate)
