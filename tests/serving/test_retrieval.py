"""What a request without an eligible set is answered from."""

from types import SimpleNamespace

import numpy as np
import pytest

from components.serving.retrieval import Retrieval
from components.serving.served import RankRequests


def world(items, seed=0):
    """A generation whose preference is known, and one request for anything."""
    preference = np.random.default_rng(seed).normal(size=items)
    scored = SimpleNamespace(appraisal=SimpleNamespace(preference=preference))
    served = SimpleNamespace(score_eligible=lambda asked: scored)
    ids = np.array([f"i{n}" for n in range(items)], object)
    return served, RankRequests(np.array(["u"], object), np.array([0]), ids, np.array([0, items])), preference


def test_the_best_come_first_in_order_and_the_others_are_drawn_evenly():
    served, asked, preference = world(1000)
    seen = np.zeros(1000)
    for seed in range(400):
        found = Retrieval(100, 0.1).retrieve(served, asked, np.random.default_rng(seed))
        assert len(set(found)) == 100
        place = np.array([int(item[1:]) for item in found])
        assert (place[:90] == np.argsort(-preference)[:90]).all()
        seen[place[90:]] += 1
    drawn = seen[np.argsort(-preference)[90:]]
    assert drawn.sum() == 4000 and drawn.max() < 20, "910 others, 4.4 times each"


@pytest.mark.parametrize(("candidates", "explored"), [(1, 0.9), (2, 0.99), (10, 0.0), (99, 0.5)])
def test_any_size_and_share_leaves_at_least_the_best(candidates, explored):
    served, asked, preference = world(100)
    found = Retrieval(candidates, explored).retrieve(served, asked, np.random.default_rng(0))
    assert len(set(found)) == candidates and found[0] == f"i{preference.argmax()}"
    assert Retrieval(candidates, explored).needed(100) and not Retrieval(100, 0.1).needed(100)
