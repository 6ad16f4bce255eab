"""The user is the unit of independence: sums of requests by user, from which errors are taken.

Requests of one user share that user's taste, so they say less than as many requests of
strangers. Summed by user, what is left is independent, and the spread of the sums is the
cluster-robust ("sandwich") error (Liang and Zeger 1986, Biometrika 73, section 2).
A cluster is given as (m,) codes from 0 without gaps, or None where every request has a user of its own.
"""

import numpy as np

from components.domain import Doubles, Ints


def per_user(over_requests: Doubles, cluster: Ints | None) -> Doubles:
    """(C,) sums of an (m,) array over each user's requests.

    >>> per_user(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0]))
    array([5., 2.])
    """
    return over_requests if cluster is None else np.bincount(cluster, over_requests).astype(np.float64)


def collapsed(each: Doubles, cluster: Ints | None) -> Doubles:
    """(C,) terms of the users, with the mean of the (m,) terms of their requests and its by-user error.

    ``t_u = mean + (C / m) e_u (1 - 1/C) / (1 - m_u / m)`` with ``e_u = sum_{i of u} (t_i - mean)`` over the user's
    m_u requests, recentred: the influence function of a mean over requests whose number per user is random, too.
    The mean lies near users of many requests because it was drawn there; the last factor is the jackknife's answer
    (Bell and McCaffrey 2002, "Bias reduction in standard errors for linear regression with multi-stage samples", CR3).

    >>> collapsed(np.array([1.0, 3.0, 2.0, 6.0]), np.array([0, 0, 1, 1])).round(6)
    array([2., 4.])
    """
    if cluster is None:
        return each
    mean = each.mean()
    sums = per_user(each - mean, cluster)
    count = len(sums)
    if count > 1:
        sums *= (1 - 1 / count) / (1 - np.bincount(cluster) / len(each))
    return np.asarray(mean + count / len(each) * (sums - sums.mean()))
