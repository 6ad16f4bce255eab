"""The one-sided boundary: as derived, as rare an error as stated, and sharper than an end of the two-sided one."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from components.domain import Doubles
from components.evaluate.confidence_sequence import TUNED_FOR, boundary

ERROR, HISTORIES, LOOKS, PER_LOOK = 0.05, 2_000, 30, 200
COUNTS = np.arange(1, LOOKS + 1) * float(PER_LOOK)


def two_sided(count: Doubles, alpha: float, tuned_for: int) -> Doubles:
    """Robbins' two-sided normal mixture, tuned alike."""
    rho2 = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / tuned_for
    grown = count * rho2 + 1
    return np.sqrt(2 * grown / (count * count * rho2) * (np.log(grown) / 2 - np.log(alpha)))


def lower_bounds(mean: float, radius: Doubles) -> Doubles:
    """(histories, looks) lower bounds of the means of skewed terms: exponential ones, less 1."""
    rng = np.random.default_rng(11)
    terms = rng.exponential(size=(HISTORIES, LOOKS, PER_LOOK)) - 1 + mean
    sums, squares = terms.sum(axis=2).cumsum(axis=1), (terms**2).sum(axis=2).cumsum(axis=1)
    means = sums / COUNTS
    return means - np.sqrt(squares / COUNTS - means**2) * radius


@pytest.mark.parametrize("error", [0.05, 0.0025])
@pytest.mark.parametrize("count", [200.0, 10_000.0, 1e6])
def test_the_boundary_is_that_of_the_half_normal_mixture_rounded_to_the_safe_side(error: float, count: float) -> None:
    double_log = -2 * np.log(2 * error)
    rho2 = (double_log + np.log(double_log + 1)) / TUNED_FOR
    grown = count * rho2 + 1
    z = brentq(lambda z: np.log(2) + z * z / 2 + norm.logcdf(z) - np.log(grown) / 2 + np.log(error), 0, 20)
    exact = z * np.sqrt(grown / rho2) / count
    assert exact <= float(boundary(np.array(count), error)) <= 1.01 * exact


def test_equal_challengers_cross_at_any_of_thirty_looks_no_oftener_than_stated() -> None:
    crossed = (lower_bounds(0.0, boundary(COUNTS, ERROR, 1_000)) > 0).any(axis=1).mean()
    assert crossed <= ERROR + 3 * np.sqrt(ERROR * (1 - ERROR) / HISTORIES)
    assert crossed > ERROR / 5, "and the error that is paid for is not left unused"


def test_for_the_same_error_it_shows_more_than_an_end_of_the_two_sided_sequence() -> None:
    one, two = (f(COUNTS, ERROR, 1_000) for f in (boundary, two_sided))
    found = [(lower_bounds(0.05, radius) > 0).any(axis=1).mean() for radius in (one, two)]
    assert found[0] > found[1] + 0.03
    assert (one / two > 0.9).all() and (one / two < 0.97).all()
