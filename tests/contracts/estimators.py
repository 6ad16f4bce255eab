"""What every estimator is held to, as functions of an estimator; they are found by what they return."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import pytest

from components.evaluate import estimators
from components.evaluate.estimators import Parts, Terms, parts
from components.evaluate.intervals import standard_error
from tests.evaluate.tiny import many, tiny

Estimator: TypeAlias = Callable[[Parts], Terms]

LIMIT = 3.0
"""Weight above which an estimator with a limit stops to trust a request's weight, in these checks."""


def _estimators() -> dict[str, Estimator]:
    """Every public function of `components.evaluate.estimators` from `Parts` to `Terms`."""
    found: dict[str, Estimator] = {}
    for name, made in inspect.getmembers(estimators, inspect.isfunction):
        signature = inspect.signature(made)
        if signature.return_annotation is Terms and not name.startswith("_"):
            found[name] = partial(made, limit=LIMIT) if "limit" in signature.parameters else made
    return found


ESTIMATORS = _estimators()
"""All of them by name, limits at `LIMIT`."""

WEIGHTED = {name: e for name, e in ESTIMATORS.items() if name != "dm" and not isinstance(e, partial)}
"""Those that weigh requests and cut nothing off: their value is that of the log where nothing differs."""


def it_has_one_term_per_request_whose_mean_is_its_value(estimator: Estimator) -> None:
    log, target, q = many(300, seed=1)
    terms = estimator(parts(log, target, q))
    assert terms.each.shape == (300,)
    assert terms.value == terms.each.mean()
    assert 0 < terms.ess <= 300 + 1e-9


def it_has_one_term_per_slate(estimator: Estimator) -> None:
    log = tiny(request=[10, 10, 12, 13], position=[0, 1, 0, 0])
    assert estimator(parts(log, np.full(8, 0.5), np.full(8, 0.3))).each.shape == (3,)


def the_loggers_own_value_is_its_mean_reward(estimator: Estimator) -> None:
    log, _, q = many(300, seed=2)
    value = estimator(parts(log, np.full(log.entries, 0.25), q)).value
    assert value == pytest.approx(log.reward.mean(), abs=0.02)


def shares_of_one_change_nothing_and_a_share_of_zero_is_absence(estimator: Estimator) -> None:
    log, target, q = many(300, seed=3)
    plain = estimator(parts(log, target, q))
    np.testing.assert_allclose(estimator(parts(log, target, q, share=np.ones(300))).each, plain.each)
    kept = np.arange(300) < 200
    shared = estimator(parts(log, target, q, share=kept.astype(float)))
    cut = estimator(parts(log.take(kept), target[log.entries_of(kept)], q[log.entries_of(kept)]))
    assert shared.value == pytest.approx(cut.value)
    assert shared.ess == pytest.approx(cut.ess)
    assert standard_error(shared.each) == pytest.approx(standard_error(cut.each), rel=0.02)


CHECKS: tuple[Callable[[Estimator], None], ...] = (
    it_has_one_term_per_request_whose_mean_is_its_value,
    it_has_one_term_per_slate,
)

WEIGHTED_CHECKS: tuple[Callable[[Estimator], None], ...] = (
    the_loggers_own_value_is_its_mean_reward,
    shares_of_one_change_nothing_and_a_share_of_zero_is_absence,
)
