"""The way back: a challenger whose log could judge nobody is told so, one that explores is not."""

import numpy as np
import pytest

from components.evaluate.settings import EvaluateSettings
from components.evaluate.way_back import way_back
from tests.evaluate.tiny import many

LOG, _, _ = many(400, seed=0)
ENTRIES = LOG.entries // len(LOG)

UNIFORM = np.full(LOG.entries, 1 / ENTRIES)


def mostly(share: float, item: int = 0) -> np.ndarray:
    """One item gets `share`, the others the rest in equal parts."""
    policy = np.full((len(LOG), ENTRIES), (1 - share) / (ENTRIES - 1))
    policy[:, item] = share
    return policy.ravel()


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_a_challenger_that_still_tries_everything_has_a_way_back(share: float) -> None:
    assert way_back(LOG, mostly(share), UNIFORM, EvaluateSettings()) is None


@pytest.mark.parametrize("share", [1.0, 1 - 1e-9])
def test_a_challenger_that_shows_one_item_alone_has_none_and_the_figure_is_the_mass_it_gave_up(share: float) -> None:
    refused = way_back(LOG, mostly(share), UNIFORM, EvaluateSettings())
    assert refused is not None
    assert refused.figure == pytest.approx((ENTRIES - 1) / ENTRIES)
    assert "raise policy.epsilon" in str(refused)


def test_with_more_users_rarer_tries_are_enough() -> None:
    log, _, _ = many(4000, seed=0)
    uniform, rare = (np.tile(policy[:ENTRIES], len(log)) for policy in (UNIFORM, mostly(0.99)))
    assert way_back(LOG, mostly(0.99), UNIFORM, EvaluateSettings()) is not None
    assert way_back(log, rare, uniform, EvaluateSettings()) is None


def test_a_policy_without_a_floor_is_not_refused_for_items_that_nobody_would_show() -> None:
    champion, challenger = mostly(1 - 1e-6), mostly(1 - 1e-15)
    assert way_back(LOG, challenger, champion, EvaluateSettings()) is None
