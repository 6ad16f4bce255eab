"""A request for a slate, answered by a served generation and written down before it leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from pydantic import JsonValue

from bento.decision_log import DecisionLog
from bento.live_memory import column
from bento.schemas import RankRequest, RankResponse, ShownItem
from components.domain import ContractBroken
from components.feature_spec import FieldKind, FieldOf
from components.ingest.log_lines import RequestLine, ShownLine
from components.serving.served import Decisions, RankRequests, Served

Clock = Callable[[], int]
"""Now, in microseconds UTC."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Draws slates and logs them. `rng` is the process's own: no two workers draw alike."""

    log: DecisionLog
    clock: Clock
    rng: np.random.Generator

    def rank(self, served: Served, asked: RankRequest) -> RankResponse:
        """A slate for one request.

        Raises
        ------
        ContractBroken
            If the request cannot be answered as it is; one line.
        Transient
            If the decision cannot be logged: an unlogged decision could never be evaluated.
        """
        eligible = _eligible(served, asked)
        _check_context(served, asked.context)
        at = self.clock()
        context = {name: column([value]) for name, value in asked.context.items() if value is not None}
        requests = served.informed(
            RankRequests(column([asked.user_id]), np.array([at]), eligible, np.array([0, len(eligible)]), context)
        )
        made = served.decide(requests, asked.slate_size, self.rng)
        answer = _response(served, made)
        self._write(served, asked, requests, answer, made)
        return answer

    def _write(
        self, served: Served, asked: RankRequest, requests: RankRequests, answer: RankResponse, made: Decisions
    ) -> None:
        at = int(requests.at[0])
        if asked.eligible is None:
            self.log.name_servable(served.generation, served.servable.tolist(), at)
        slate = zip(answer.slate, made.logit.tolist(), strict=True)
        self.log.append(
            RequestLine(
                request_id=answer.request_id,
                user_id=asked.user_id,
                at=at,
                generation=served.generation,
                context={name: _logged(value[0]) for name, value in requests.context.items()},
                eligible=None if asked.eligible is None else tuple(asked.eligible),
                slate=tuple(ShownLine(**shown.model_dump(), logit=logit) for shown, logit in slate),
            ),
            at,
        )


def _eligible(served: Served, asked: RankRequest) -> np.ndarray:
    if asked.eligible is None:
        eligible = served.servable
    else:
        eligible = column(list(asked.eligible))
        if len(set(asked.eligible)) < len(asked.eligible):
            twice = next(i for i in asked.eligible if asked.eligible.count(i) > 1)
            raise ContractBroken(f"eligible names item {twice!r} twice; each item once is allowed")
    if not len(eligible):
        raise ContractBroken("eligible is empty; give at least one item, or leave it out for all servable items")
    if not 1 <= asked.slate_size <= len(eligible):
        raise ContractBroken(
            f"slate_size is {asked.slate_size}; allowed is 1 to {len(eligible)}, the number of eligible items"
        )
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


def _response(served: Served, made: Decisions) -> RankResponse:
    request_id = uuid4().hex
    rows = zip(made.item_id.tolist(), made.propensity.tolist(), made.score.tolist(), strict=True)
    slate = [
        ShownItem(
            impression_id=f"{request_id}-{position}",
            item_id=item_id,
            position=position,
            propensity=propensity,
            score=score,
        )
        for position, (item_id, propensity, score) in enumerate(rows)
    ]
    return RankResponse(request_id=request_id, generation=served.generation, slate=slate)
