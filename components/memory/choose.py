"""How strongly to shrink is chosen by the data, as the half-life is: by prequential log loss.

Every candidate is judged as it would have predicted history, each step before its outcomes were shown
(Dawid 1984, the prequential principle), so that no part has to be held out. Coordinate search over a few
multiples, then pairs of fields one by one, because the loss is flat around its optimum and they hardly interact.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from components.domain import Matured, Prediction
from components.feature_spec import FeatureSpec, FieldKind
from components.memory.entities import Entities, derived
from components.memory.posterior_view import PosteriorView
from components.memory.settings import Interaction, MemorySettings
from components.ranker.features import CLOCK_FIELDS
from components.sigmoid import sigmoid

CANDIDATES: dict[str, tuple[float, ...]] = {
    "item_prior_sd": (0.3, 0.45, 0.8, 1.1),
    "user_prior_sd": (0.7, 1.3),
    "faint_prior_sd": (0.3,),
    "attribute_prior_sd": (0.15, 0.5),
    "interaction_prior_sd": (0.15, 0.6),
    "half_life": (100.0, 1000.0),
}
"""Tried in this order, each with the best of those before it."""
MARGIN = 5e-5
"""Nats per outcome by which an interaction must lower the loss to be worth its rows."""
MOST_ROWS = 40_000
"""Newest outcomes of history that are looked at; more would change the choice little and cost seconds."""
LEAST_ROWS = 2_000
"""Below this the differences are noise and the defaults stand."""
STEP = 512
"""Outcomes per step while choosing; larger than a write's, for speed."""
BURN_IN = 0.2
"""Share of the outcomes that are learned from but not scored."""


def chosen(spec: FeatureSpec, history: Matured, settings: MemorySettings) -> MemorySettings:
    """`settings` with the prior sds and half-life under which history is predicted best."""
    if settings.entities is not None or len(history) < LEAST_ROWS:
        return settings
    history = history.take(slice(-MOST_ROWS, None))
    best = prequential_loss(spec, history, settings)
    for name, values in CANDIDATES.items():
        for value in values:
            candidate = settings.model_copy(update={name: value})
            loss = prequential_loss(spec, history, candidate)
            if loss < best:
                settings, best = candidate, loss
    for pair in pairs(spec):
        candidate = settings.model_copy(update={"interactions": (*settings.interactions, pair)})
        loss = prequential_loss(spec, history, candidate)
        if loss < best - MARGIN:
            settings, best = candidate, loss
    return settings


def pairs(spec: FeatureSpec) -> list[Interaction]:
    """Candidates for interaction: single-valued fields off the clock, of different owners, not counted by anyway.

    Fields of one owner are left out, because the owner's own effect already stands for them.
    """
    single = [f for f in spec.keyed if f.kind is not FieldKind.MULTI and f.name not in CLOCK_FIELDS]
    always = {k.interaction for k in derived(spec, MemorySettings())} | {(spec.fields[0].name, spec.fields[1].name)}
    both = [(a.name, b.name) for a, b in combinations(single, 2) if a.of is not b.of]
    return [pair for pair in both if pair not in always]


def prequential_loss(spec: FeatureSpec, history: Matured, settings: MemorySettings) -> float:
    """Mean log loss (nats) of the outcome view over history, each step predicted before it is learned."""
    view = PosteriorView(Entities(spec, derived(spec, settings)), "nothing", 1.0)
    told = steps(history, STEP)
    signals = np.concatenate([view.learn(s.matured.examples, s.prediction, s.matured.reward)[:, 0] for s in told])
    start = int(len(history) * BURN_IN)
    p = np.clip(sigmoid(signals[start:]), 1e-12, 1 - 1e-12)
    reward = history.reward[start:]
    return float(-np.mean(reward * np.log(p) + (1 - reward) * np.log(1 - p)))


@dataclass(frozen=True, slots=True)
class Step:
    """Outcomes of history, and a prediction that says nothing (logit 0)."""

    matured: Matured
    prediction: Prediction


def steps(history: Matured, size: int) -> list[Step]:
    """History in steps of `size` outcomes."""
    parts = [history.take(slice(start, start + size)) for start in range(0, len(history), size)]
    nothing = [Prediction(np.zeros(len(p), np.float32), np.zeros((len(p), 0), np.float32)) for p in parts]
    return [Step(part, prediction) for part, prediction in zip(parts, nothing, strict=True)]
