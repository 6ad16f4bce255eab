"""The views a memory is made of, by name."""

import numpy as np

from components.domain import Examples, Prediction
from components.feature_spec import FeatureSpec
from components.memory.entities import Entities, derived
from components.memory.entity_view import EntityView
from components.memory.neighbour_view import NeighbourView
from components.memory.posterior_view import PosteriorView
from components.memory.settings import Entity, MemorySettings, ViewName
from components.memory.sketch_view import SketchView
from components.memory.view import View


def build(spec: FeatureSpec, hidden_size: int, settings: MemorySettings, seed: int) -> dict[str, View]:
    """Empty views of the settings, by name, in their order."""
    return {name: _view(name, spec, hidden_size, settings, seed) for name in settings.views}


def rehearse(spec: FeatureSpec, hidden_size: int, settings: MemorySettings) -> None:
    """Run every loop once, on views that are thrown away, so that no request waits for the compiler."""
    n = 600  # more than a key table holds at first: growing is rehearsed, too
    keys = np.arange(1, n * spec.key_columns + 1, dtype=np.uint64).reshape(n, -1)
    some = Examples(keys, np.zeros((n, len(spec.numeric)), np.float32), np.zeros(n, np.int64))
    said = Prediction(np.zeros(n, np.float32), np.ones((n, hidden_size), np.float32))
    for view in build(spec, hidden_size, settings, 0).values():
        view.learn(some, said, np.zeros(n, np.float32))
        view.read(some, said)


def needs_no_model(views: dict[str, View]) -> list[str]:
    """Names of the views that learn from outcomes alone, whoever predicted."""
    return [name for name in views if name == "outcome"]


def _view(name: ViewName, spec: FeatureSpec, hidden_size: int, settings: MemorySettings, seed: int) -> View:
    kinds = settings.entities or derived(spec, settings)
    if name == "outcome":
        return PosteriorView(Entities(spec, kinds), "nothing", 1.0)
    if name == "residual":
        return PosteriorView(Entities(spec, _of_errors(spec, kinds, settings)), "model", settings.rebase_keep)
    if name == "counters":
        return EntityView(spec, tuple((f.name,) for f in spec.keyed), settings)
    if name == "sketch":
        return SketchView(hidden_size, settings, seed)
    none = Examples(
        np.zeros((0, spec.key_columns), np.uint64), np.zeros((0, len(spec.numeric)), np.float32), np.zeros(0, np.int64)
    )
    return NeighbourView(none, hidden_size, settings)


def _of_errors(spec: FeatureSpec, kinds: tuple[Entity, ...], settings: MemorySettings) -> tuple[Entity, ...]:
    """The user and the item alone, with tighter priors and a shorter half-life: others did not help."""
    own = [(field.name,) for field in spec.fields[:2]]
    return tuple(
        Entity(
            interaction=k.interaction,
            prior_sd=k.prior_sd * settings.residual_prior_scale,
            half_life=min(k.half_life, settings.residual_half_life),
        )
        for k in kinds
        if k.interaction in own
    )
