"""Seconds and memory of the estimators with their intervals on a big log."""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.off_policy_logs import pick, softmax
from components.domain import Doubles
from components.evaluate.estimators import clipped_ips, dm, dr, dros, ips, parts, sndr, snips, switch_dr
from components.evaluate.evaluate import evaluate
from components.evaluate.intervals import bootstrap_interval, skew_interval
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings

REQUESTS_PER_USER = 4


def speed(rows: int, k: int = 10) -> dict[str, object]:
    """`seconds`: the whole of `evaluate`, from its checks to the verdict, every estimator with its interval.

    `seconds_returning_users`: the same where every user makes `REQUESTS_PER_USER` requests on average.

    `seconds_estimators`: weights, model expectations and each estimator with one interval, no more.
    `cpu_seconds` is that of the processor: `load` tells who else was using it.
    `peak_gib` is the whole process, inputs included. `ips_over_numpy`: the value by `ips` over
    the value by one line of numpy, each the best of five.
    """
    target, logging, q, propensity, reward, shown = drawn_for_speed(rows, k)
    number, offsets = np.arange(rows), np.arange(rows + 1) * k
    log = LoggedDecisions(
        number, np.zeros(rows, np.int64), offsets, offsets[:-1] + shown, propensity, reward, number, number * 0 + 1
    )
    action = log.action

    def one_line() -> float:
        return float((target[action] / propensity * reward).mean())

    ratio = _best(lambda: ips(parts(log, target)).value) / _best(one_line)
    each, whole = _estimators(log, target, q)
    start, busy = time.perf_counter(), time.process_time()
    evaluate(log, target, logging, q, EvaluateSettings())
    judged, worked = time.perf_counter() - start, time.process_time() - busy
    whose = np.random.default_rng(1).integers(max(rows // REQUESTS_PER_USER, 1), size=rows)
    start = time.perf_counter()
    evaluate(replace(log, user=whose), target, logging, q, EvaluateSettings())
    returning = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    bootstrap_interval(target[action] / propensity * reward, target[action] / propensity, 0.05, rng)
    return {
        "rows": rows,
        "eligible": k,
        "seconds": judged,
        "seconds_returning_users": returning,
        "cpu_seconds": worked,
        "load": os.getloadavg()[0],
        "seconds_estimators": whole,
        "seconds_per_estimator": each,
        "seconds_bootstrap": time.perf_counter() - start,
        "peak_gib": peak,
        "ips_over_numpy": ratio,
    }


def _estimators(log: LoggedDecisions, target: Doubles, q: Doubles) -> tuple[dict[str, float], float]:
    begun = time.perf_counter()
    p = parts(log, target, q)
    each = {"weights and model": time.perf_counter() - begun}
    limited = [
        (name, lambda p, f=f: f(p, 10.0))
        for name, f in (("clipped IPS", clipped_ips), ("Switch-DR", switch_dr), ("DRos", dros))
    ]
    plain = [("IPS", ips), ("SNIPS", snips), ("DM", dm), ("DR", dr), ("SNDR", sndr)]
    for name, estimator in [*plain, *limited]:
        start = time.perf_counter()
        skew_interval(estimator(p).each, 0.05)
        each[name] = time.perf_counter() - start
    return each, time.perf_counter() - begun


def _best(call: Callable[[], float], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def drawn_for_speed(rows: int, k: int, seed: int = 0) -> tuple[Doubles, ...]:
    """Arrays of a big log: target, champion, q (rows * k,), propensity, reward, shown (rows,)."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2000, k))
    logging, target = softmax(scores, 0.2), softmax(scores + 0.5 * rng.normal(size=scores.shape), 0.2)
    q = rng.uniform(0.1, 0.5, size=(2000, k))
    who = rng.integers(2000, size=rows)
    shown = pick(logging[who], rng)
    reward = (rng.random(rows) < q[who, shown]).astype(float)
    return target[who].ravel(), logging[who].ravel(), q[who].ravel(), logging[who, shown], reward, shown
