"""Measure a window against its references: fields by Evidently, rates, ids and calibration by our own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.drift.calibration import calibration_of, reliability
from components.drift.contradiction import NOTHING, Contradiction, Excess, contradiction_of
from components.drift.drift_frame import EMPTY, USER, DriftFrame, Pair, occurrences, pair
from components.drift.drift_report import METHOD, DriftReport, FieldDrift, IdDrift, ReferenceDrift
from components.drift.reference import Reference, Values
from components.drift.settings import DriftSettings


def measure(
    current: DriftFrame,
    last: DriftFrame | None,
    training: DriftFrame,
    settings: DriftSettings,
    seed: int,
    lost: Excess = NOTHING,
) -> DriftReport:
    """Measure the new window.

    Parameters
    ----------
    current : the new window, scored by the champion before its outcomes were known.
    last : the window before, if any, with the scores it was served with.
    training : what the champion was trained on, with the champion's scores.
    seed : fixes the samples.
    lost : as in `components.drift.contradiction.Contradiction`.

    Returns
    -------
    Figures, and Evidently's page. A window without rows is no error: its figures are nan, and there
    is nothing to compare.
    """
    drawn = pair(current, training, settings.sample, settings.top, seed)
    drawing = _draw(drawn, settings) if settings.page else _Drawing(_distances(drawn), "")
    usual = None if last is None else Reference.of(last)
    return _report(
        current,
        _against("training", current, training, drawn, drawing.distances, settings),
        _against_last(current, last, settings, seed),
        contradiction_of(current, usual, Reference.of(training), lost),
        holdout_log_loss=training.holdout_log_loss,
        html=drawing.html,
    )


def measure_contradiction(
    current: DriftFrame, last: Reference | None, training: Reference, lost: Excess = NOTHING
) -> DriftReport:
    """Measure what may halt a loop, against references of which figures are left: no field's distance is in the report.

    Parameters as of `measure`.
    """
    before = None if last is None or not len(last) else _figures("last", current, last)
    contradiction = contradiction_of(current, last, training, lost)
    return _report(current, _figures("training", current, training), before, contradiction)


def _report(
    current: DriftFrame,
    training: ReferenceDrift,
    last: ReferenceDrift | None,
    contradiction: Contradiction,
    holdout_log_loss: float | None = None,
    html: str = "",
) -> DriftReport:
    known = current.score[np.isfinite(current.score)]
    matured = current.reward[np.isfinite(current.reward)]
    return DriftReport(
        rows=len(current),
        matured=len(matured),
        reward=_mean(matured),
        score=_mean(known),
        score_spread=float(known.std()) if len(known) else float("nan"),
        score_missing=1 - len(known) / len(current) if len(current) else float("nan"),
        training=training,
        last=last,
        calibration=calibration_of(current.score, current.reward),
        bins=reliability(current.score, current.reward),
        holdout_log_loss=holdout_log_loss,
        html=html,
        contradiction=contradiction,
    )


def _against_last(
    current: DriftFrame, last: DriftFrame | None, settings: DriftSettings, seed: int
) -> ReferenceDrift | None:
    if last is None or not len(last):
        return None
    drawn = pair(current, last, settings.sample, settings.top, seed)
    return _against("last", current, last, drawn, _distances(drawn), settings)


def _figures(name: str, current: DriftFrame, reference: Reference) -> ReferenceDrift:
    """A window against a reference of which figures are left."""
    rewards = current.reward[np.isfinite(current.reward)]
    return ReferenceDrift(
        name=name,
        rows=reference.rows,
        fields=(),
        ids=tuple(_id_figures(c, current.ids[c], reference) for c in current.ids if c in reference.ids),
        score=FieldDrift("score", float("nan"), float("nan")),
        reward=reference.reward,
        z=_z(_mean(rewards), len(rewards), reference.reward, reference.matured),
        score_spread=reference.score_spread,
    )


def _id_figures(column: str, now: np.ndarray, reference: Reference) -> IdDrift:
    known = reference.fields[column]
    expected = float("nan") if column == USER else known.once(reference.rows)
    return IdDrift(column, Values.of(now).unseen(known), expected)


def _against(
    name: str,
    current: DriftFrame,
    reference: DriftFrame,
    drawn: Pair,
    distances: Mapping[str, float],
    settings: DriftSettings,
) -> ReferenceDrift:
    found = {c: FieldDrift(c, distances[c], _limit(drawn, c, settings)) for c in (*drawn.categorical, *drawn.numeric)}
    score = found.pop("score", FieldDrift("score", float("nan"), settings.threshold))
    spread = reference.score[np.isfinite(reference.score)]
    return ReferenceDrift(
        name=name,
        rows=len(reference),
        fields=tuple(found.values()),
        ids=tuple(_id_drift(c, current.ids[c], reference.ids[c]) for c in current.ids if c in reference.ids),
        score=score,
        reward=_mean(reference.reward[np.isfinite(reference.reward)]),
        z=_rate_z(current.reward, reference.reward),
        score_spread=float(spread.std()) if len(spread) else float("nan"),
    )


def _id_drift(column: str, now: np.ndarray, then: np.ndarray) -> IdDrift:
    expected = float("nan") if column == USER else _mean(occurrences(then, then) == 1)
    return IdDrift(column, _mean(occurrences(now, then) == 0), expected)


def _rate_z(now: np.ndarray, then: np.ndarray) -> float:
    """Difference of the mean rewards over its standard error under one common rate; nan where there is none."""
    now, then = now[np.isfinite(now)], then[np.isfinite(then)]
    return _z(_mean(now), len(now), _mean(then), len(then))


def _z(now: float, rows: int, then: float, rows_then: int) -> float:
    if not rows or not rows_then:
        return float("nan")
    rate = (now * rows + then * rows_then) / (rows + rows_then)
    error = math.sqrt(max(rate * (1 - rate), 0.0) * (1 / rows + 1 / rows_then))
    return (now - then) / error if error > 0 else 0.0


def _limit(drawn: Pair, column: str, settings: DriftSettings) -> float:
    """Distance above which a column drifted: `threshold`, or the noise of the samples if that is larger.

    Between two samples of n and m rows of one distribution over B bins, 8 times the squared distance
    over (1/n + 1/m) is chi-squared with B - 1 degrees of freedom (second-order expansion, Lin 1991,
    IEEE Trans. Inf. Theory 37).
    """
    from scipy.stats import chi2

    now, then = drawn.current[column].dropna(), drawn.reference[column].dropna()
    bins = _bins(now, then) if column in drawn.numeric else pd.concat([now, then]).nunique()
    noise = chi2.ppf(1 - settings.noise, max(bins - 1, 1)) * (1 / len(now) + 1 / len(then)) / 8
    return max(settings.threshold, math.sqrt(noise))


def _bins(now: pd.Series, then: pd.Series) -> int:
    """Evidently's bins of a number: its values while the reference has up to 20, else Sturges' rule."""
    both = pd.concat([then, now])
    return both.nunique() if then.nunique() <= 20 else len(np.histogram_bin_edges(both, bins="sturges")) - 1


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What Evidently's report says: distance per column, and its page."""

    distances: Mapping[str, float]
    html: str


def _draw(drawn: Pair, settings: DriftSettings) -> _Drawing:
    """Evidently's report on a pair."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    columns = [*drawn.numeric, *drawn.categorical]
    if not columns:
        return _Drawing({}, "")
    definition = DataDefinition(numerical_columns=list(drawn.numeric), categorical_columns=list(drawn.categorical))
    current, reference = (Dataset.from_pandas(f, data_definition=definition) for f in (drawn.current, drawn.reference))
    metrics = [
        ValueDrift(column=column, method=METHOD, threshold=_limit(drawn, column, settings)) for column in columns
    ]
    snapshot = Report(metrics).run(current, reference)
    values = [float(metric["value"]) for metric in snapshot.dict()["metrics"]]
    return _Drawing(dict(zip(columns, values, strict=True)), snapshot.get_html_str(as_iframe=False))


def _distances(drawn: Pair) -> dict[str, float]:
    """The same distances without a page: Evidently's own function per column."""
    if drawn is EMPTY:
        return {}
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test
    from evidently.legacy.core import ColumnType

    kinds = dict.fromkeys(drawn.numeric, ColumnType.Numerical) | dict.fromkeys(
        drawn.categorical, ColumnType.Categorical
    )
    distances = {}
    for column, kind in kinds.items():
        reference, current = drawn.reference[column].dropna(), drawn.current[column].dropna()
        distances[column] = float(jensenshannon_stat_test.func(reference, current, kind, 0.1)[0])
    return distances


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
