"""Every view passes the same checks."""

from collections.abc import Callable
from typing import get_args

import pytest

from components.memory.settings import MemorySettings, ViewName
from components.memory.view import View
from components.memory.views import build
from tests.contracts.views import CHECKS
from tests.memory.world import HIDDEN, SPEC, World, world

CROSSED = (("user", "genre"), ("tab", "user"))
OPTIONS = {
    "outcome": {"interactions": CROSSED},
    "neighbours": {"neighbours_exact": True},
    "sketch": {"sketch_groups": 8},
}
CASES = [(name, {}) for name in get_args(ViewName)] + list(OPTIONS.items())


@pytest.fixture(params=CASES, ids=lambda case: " ".join([case[0], *case[1]]))
def view(request: pytest.FixtureRequest) -> View:
    name, options = request.param
    return build(SPEC, HIDDEN, MemorySettings(views=(name,), **options), seed=3)[name]


@pytest.fixture(scope="module")
def w() -> World:
    return world(600)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_view(check: Callable[[View, World], None], view: View, w: World) -> None:
    check(view, w)
