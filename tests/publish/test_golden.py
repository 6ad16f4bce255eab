"""Golden requests: a generation answers as it did when it was made, or is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from components.domain import ContractBroken
from components.publish.bundle import write_bundle
from components.publish.golden import GOLDEN, TOLERANCE, check_golden
from components.publish.read_bundle import load_bundle
from tests.publish.conftest import RECENT_SPEC, make_content


@pytest.mark.parametrize("changes", [{}, {"spec": RECENT_SPEC, "architecture": "din"}, {"architecture": "fm"}])
def test_a_bundle_answers_its_own_requests_to_the_bit_of_the_tolerance(tmp_path, changes):
    folder = write_bundle(tmp_path, make_content(**changes))
    check_golden(folder, load_bundle(folder))
    told = json.loads((folder / GOLDEN).read_text())["requests"]
    assert {r["user_id"] for r in told} >= {""} and all(len(r["logit"]) == len(r["items"]) > 0 for r in told)


class Otherwise:
    """A model on a machine that computes a little otherwise."""

    def __init__(self, model, off):
        self.model, self.off = model, off

    def predict(self, examples):
        found = self.model.predict(examples)
        return replace(found, logit=(found.logit + np.float32(self.off)).astype(np.float32))


def test_another_arithmetic_is_refused_and_the_last_digits_are_not(tmp_path):
    folder = write_bundle(tmp_path, make_content())
    served = load_bundle(folder)
    check_golden(folder, replace(served, model=Otherwise(served.model, TOLERANCE / 10), catalogue=None))
    for off in (1e-3, np.nan):
        with pytest.raises(ContractBroken, match="when it was made it gave"):
            check_golden(folder, replace(served, model=Otherwise(served.model, off), catalogue=None))


def test_a_bundle_from_before_there_were_any_is_served(tmp_path):
    folder = write_bundle(tmp_path, make_content())
    served = load_bundle(folder)
    (folder / GOLDEN).unlink()
    check_golden(folder, served)
