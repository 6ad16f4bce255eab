"""Every estimator against the same formula coded again, row by row or dense, without the ragged table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.off_policy_large import mips
from components.evaluate.estimators import clipped_ips, dm, dr, dros, ips, parts, sndr, snips, switch_dr
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.open_bandit import open_bandit, slot_policy, uniform
from components.evaluate.weights import weights

FOLDER = Path(__file__).parent / "open_bandit"
LIMIT = 2.5


def by_hand(target, q, shown, propensity, reward):
    """Dense (n, k) arrays, one row at a time."""
    out = dict.fromkeys(("IPS", "clipped IPS", "DM", "DR", "Switch-DR", "DRos"), 0.0)
    weight, weighted, corrected, model = 0.0, 0.0, 0.0, 0.0
    n = len(reward)
    for i in range(n):
        w = target[i, shown[i]] / propensity[i]
        expected = sum(target[i, a] * q[i, a] for a in np.flatnonzero(target[i]))
        residual = reward[i] - q[i, shown[i]]
        out["IPS"] += w * reward[i] / n
        out["clipped IPS"] += min(w, LIMIT) * reward[i] / n
        out["DM"] += expected / n
        out["DR"] += (expected + w * residual) / n
        out["Switch-DR"] += (expected + (w if w <= LIMIT else 0.0) * residual) / n
        out["DRos"] += (expected + LIMIT * w / (w**2 + LIMIT) * residual) / n
        weight, weighted = weight + w, weighted + w * reward[i]
        corrected, model = corrected + w * residual, model + expected
    return out | {"SNIPS": weighted / weight, "SNDR": model / n + corrected / weight}


def by_us(log, target, q):
    p = parts(log, target, q)
    found = [ips(p), clipped_ips(p, LIMIT), dm(p), dr(p), switch_dr(p, LIMIT), dros(p, LIMIT), snips(p), sndr(p)]
    return {t.name: t.value for t in found}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
@pytest.mark.parametrize("logger", ["random", "bts"])
def test_estimates_on_the_open_bandit_logs_equal_a_second_coding_in_both_directions(logger, campaign):
    other = "bts" if logger == "random" else "random"
    read = {p: open_bandit(pd.read_parquet(FOLDER / f"{p}_{campaign}.parquet")) for p in ("random", "bts")}
    log, k = read[logger].log, len(read[logger].item)
    target = slot_policy(read[logger], read[other]) if other == "bts" else uniform(log)
    q = np.random.default_rng(0).uniform(0, 0.02, len(target))
    dense = (target.reshape(-1, k), q.reshape(-1, k), log.action % k, log.propensity, log.reward)
    assert_same(by_us(log, target, q), by_hand(*dense))


def synthetic(n, k, seed):
    """Dense policies, model, shown, reward of n rounds over k actions."""
    rng = np.random.default_rng(seed)
    logging, target = rng.dirichlet(np.ones(k), size=(2, n))
    logging = 0.9 * logging + 0.1 / k
    shown = (logging.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    reward = (rng.random(n) < 0.4).astype(float)
    rows, offsets = np.arange(n), np.arange(n + 1) * k
    log = LoggedDecisions(
        rows,
        0 * rows,
        offsets,
        offsets[:-1] + shown,
        logging[rows, shown],
        reward,
        rows,
        0 * rows,
        None,
        logging.ravel(),
    )
    return log, logging, target, rng.random((n, k)), shown


@pytest.mark.parametrize("k", [10, 1000])
def test_estimates_on_synthetic_logs_equal_a_second_coding(k):
    log, _, target, q, shown = synthetic(300, k, seed=k)
    assert_same(by_us(log, target.ravel(), q.ravel()), by_hand(target, q, shown, log.propensity, log.reward))


@pytest.mark.parametrize("k", [10, 1000])
def test_mips_equals_dense_marginals_per_cluster(k):
    log, logging, target, _, shown = synthetic(300, k, seed=k)
    cluster = np.arange(k) % 7
    member = (cluster[:, None] == np.arange(7)).astype(float)
    w = ((target @ member) / (logging @ member))[np.arange(300), cluster[shown]]
    found = mips(log, target.ravel(), np.tile(cluster, 300))
    assert found.terms.value == pytest.approx(float((w * log.reward).mean()), abs=1e-9)
    assert found.unsupported == 0


def test_mips_with_one_item_per_cluster_is_ips():
    log, _, target, _, _ = synthetic(200, 10, seed=1)
    each = mips(log, target.ravel(), np.tile(np.arange(10), 200)).terms.each
    np.testing.assert_allclose(each, ips(parts(log, target.ravel())).each)


def test_mips_tells_the_mass_of_clusters_that_were_never_shown():
    log = LoggedDecisions([0], [0], [0, 3], [0], [1.0], [1.0], [0], [0], None, [1.0, 0.0, 0.0])
    assert mips(log, np.array([0.5, 0.2, 0.3]), np.array([0, 0, 1])).unsupported == pytest.approx(0.3)


def slates(m, length, k, seed):
    """m slates of `length` out of k by Plackett-Luce; conditional logging and target per position, dense."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=(2, m, k))
    rows = []
    for i in range(m):
        left = list(range(k))
        for position in range(length):
            mu, pi = (np.exp(s[i, left]) / np.exp(s[i, left]).sum() for s in score)
            at = rng.choice(len(left), p=mu)
            rows.append((i, position, mu, pi, at, rng.random(len(left)), float(rng.random() < 0.3)))
            left.pop(at)
    return rows


def as_slate_log(rows):
    """The rows as a log, with the target and q over its entries."""
    offsets = np.concatenate([[0], np.cumsum([len(r[2]) for r in rows])])
    log = LoggedDecisions(
        request=[r[0] for r in rows],
        position=[r[1] for r in rows],
        offsets=offsets,
        action=offsets[:-1] + [r[4] for r in rows],
        propensity=[r[2][r[4]] for r in rows],
        reward=[r[6] for r in rows],
        at=np.arange(len(rows)),
        logger=np.ones(len(rows)),
    )
    return log, np.concatenate([r[3] for r in rows]), np.concatenate([r[5] for r in rows])


def test_rips_and_cascade_dr_equal_a_second_coding():
    rows = slates(200, 3, 6, seed=2)
    log, target, q = as_slate_log(rows)
    rips, cascade = 0.0, 0.0
    for i in range(200):
        through = 1.0
        for _, _, mu, pi, at, model, reward in rows[3 * i : 3 * i + 3]:
            before, through = through, through * pi[at] / mu[at]
            rips += through * reward / 200
            cascade += (before * (pi @ model) + through * (reward - model[at])) / 200
    p = parts(log, target, q)
    assert ips(p).value == pytest.approx(rips, abs=1e-9)
    assert dr(p).value == pytest.approx(cascade, abs=1e-9)


def test_balanced_weights_divide_by_the_mixture_and_on_slates_by_the_mixture_of_whole_prefixes():
    each = np.array([[0.5, 0.1], [0.25, 0.5], [0.5, 0.2], [0.75, 0.3]])
    columns = {
        "position": [0, 0, 0, 0],
        "offsets": [0, 2, 4, 6, 8],
        "action": [0, 3, 4, 7],
        "propensity": each[:, 0],
        "reward": [1.0, 0, 0, 1],
        "at": [0, 1, 2, 3],
        "logger": [1, 1, 1, 1],
        "logger_propensity": each,
        "logger_share": [0.25, 0.75],
    }
    target = np.array([0.8, 0.2, 0.5, 0.5, 0.9, 0.1, 0.3, 0.7])
    single = weights(LoggedDecisions(request=[1, 2, 3, 4], **columns), target, balanced=True)
    np.testing.assert_allclose(single.step, target[[0, 3, 4, 7]] / (each @ [0.25, 0.75]))
    slate = LoggedDecisions(request=[1, 1, 3, 3], **(columns | {"position": [0, 1, 0, 1]}))
    found = weights(slate, target, balanced=True)
    mixture = 0.25 * 0.5 * 0.25 + 0.75 * 0.1 * 0.5
    assert found.through[1] == pytest.approx(0.8 * 0.5 / mixture)
    assert found.request[0] == found.through[1]
    assert found.prefix[1] == found.through[0]
