"""Logs that must be refused, and one that must not."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.off_policy_logs import Logged, draw, make_pool
from components.domain import Doubles
from components.evaluate.evaluate import evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.open_bandit import open_bandit, uniform
from components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings()
UNSUPPORTED = 0.3


def refusals(open_bandit_folder: Path) -> dict[str, bool]:
    """Case -> refused. The case of Open Bandit is left out where its file is not at hand."""
    made = _sound_log()
    missing, zero, above = (_with_propensity(made, value) for value in (np.nan, 0.0, 1.5))
    constant = made.log.propensity * 0 + 1
    bts_women = open_bandit_folder / "bts_women.parquet"
    return ({"uniform_on_bts_women": _uniform_refused(bts_women)} if bts_women.exists() else {}) | {
        "missing_propensity": bool(_judge(made, missing).refused),
        "zero_propensity": bool(_judge(made, zero).refused),
        "propensity_above_one": bool(_judge(made, above).refused),
        "constant_one_propensity": bool(_judge(made, constant).refused),
        "unsupported_mass": abs(unsupported_figure(made) - UNSUPPORTED) < 0.03,
    }


def sound_log_refused() -> bool:
    """Whether a log without fault is refused, too; it must not be."""
    made = _sound_log()
    return bool(_judge(made, made.log.propensity).refused)


def _sound_log() -> Logged:
    return draw(make_pool(0.3), 5000, np.random.default_rng(3))


def unsupported_figure(made: Logged) -> float:
    """The figure named by the refusal of a log whose target puts 30 % on an entry never shown; nan if not refused."""
    log, n = made.log, len(made.log)
    wider = [
        np.append(v.reshape(n, -1), np.full((n, 1), x), axis=1) for v, x in ((made.logging, 0.0), (made.target, 0.0))
    ]
    logging, target = wider[0], wider[1] * (1 - UNSUPPORTED)
    target[:, -1] = UNSUPPORTED
    offsets = np.arange(n + 1) * logging.shape[1]
    action = offsets[:-1] + log.action - log.offsets[:-1]
    widened = LoggedDecisions(
        log.request, log.position, offsets, action, log.propensity, log.reward, log.at, log.logger
    )
    result = evaluate(widened, target.ravel(), logging.ravel(), None, SETTINGS)
    named = [r.figure for r in result.refused if "support" in r.reason]
    return named[0] if named else float("nan")


def _uniform_refused(path: Path) -> bool:
    log = open_bandit(pd.read_parquet(path)).log
    return bool(evaluate(log, uniform(log), uniform(log), None, SETTINGS).refused)


def _with_propensity(made: Logged, value: float) -> Doubles:
    propensity = made.log.propensity.copy()
    propensity[17] = value
    return propensity


def _judge(made: Logged, propensity: Doubles) -> Evaluation:
    log = made.log
    changed = LoggedDecisions(
        log.request, log.position, log.offsets, log.action, propensity, log.reward, log.at, log.logger
    )
    return evaluate(changed, made.target, made.logging, made.q, SETTINGS)
