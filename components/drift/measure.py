"""Measure a window against its references: fields by Evidently, rates, ids and calibration by our own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.drift.calibration import calibration_of, reliability
from components.drift.contradiction import NOTHING, Excess, contradiction_of
from components.drift.drift_frame import USER, DriftFrame
from components.drift.drift_report import METHOD, DriftReport, FieldDrift, IdDrift, ReferenceDrift
from components.drift.pair import EMPTY, SCORE, Pair, pair
from components.drift.reference import Counts, Reference
from components.drift.settings import DriftSettings


@dataclass(frozen=True, slots=True)
class Looked:
    """The new window, and its counts."""

    frame: DriftFrame
    counts: Counts

    @classmethod
    def at(cls, frame: DriftFrame) -> "Looked":
        """Count it."""
        return cls(frame, Counts.of(frame))


def measure(
    current: Looked,
    last: Reference | None,
    training: Reference,
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
    seed : fixes the sample of the window.
    lost : as in `components.drift.contradiction.Contradiction`.

    Returns
    -------
    Figures, and Evidently's page. A window without rows is no error: its figures are nan, and there
    is nothing to compare.
    """
    drawn = pair(current.frame, training, settings.sample, settings.top, seed)
    drawing = _draw(drawn, settings) if settings.page else _Drawing(_distances(drawn), "")
    found = _against("training", current, training, _fields(drawn, drawing.distances, settings))
    return _report(current, found, _last(current, last, settings, seed), last, training, lost, drawing.html)


def measure_contradiction(
    current: Looked, last: Reference | None, training: Reference, lost: Excess = NOTHING
) -> DriftReport:
    """Measure what may halt a loop: no field's distance is in the report.

    Parameters as of `measure`.
    """
    before = None if last is None or not len(last) else _against("last", current, last, {})
    return _report(current, _against("training", current, training, {}), before, last, training, lost)


def _report(
    current: Looked,
    against_training: ReferenceDrift,
    against_last: ReferenceDrift | None,
    last: Reference | None,
    training: Reference,
    lost: Excess,
    html: str = "",
) -> DriftReport:
    frame, counts = current.frame, current.counts
    known = frame.score[np.isfinite(frame.score)]
    bins = reliability(frame.score, frame.reward)
    return DriftReport(
        rows=len(frame),
        matured=counts.matured,
        reward=counts.reward,
        score=float(known.mean()) if len(known) else float("nan"),
        score_spread=float(known.std()) if len(known) else float("nan"),
        score_missing=1 - len(known) / len(frame) if len(frame) else float("nan"),
        training=against_training,
        last=against_last,
        calibration=calibration_of(frame.score, frame.reward, bins),
        bins=bins,
        html=html,
        contradiction=contradiction_of(frame, counts, None if last is None else last.counts, training.counts, lost),
    )


def _last(current: Looked, last: Reference | None, settings: DriftSettings, seed: int) -> ReferenceDrift | None:
    if last is None or not len(last):
        return None
    drawn = pair(current.frame, last, settings.sample, settings.top, seed)
    return _against("last", current, last, _fields(drawn, _distances(drawn), settings))


def _fields(drawn: Pair, distances: Mapping[str, float], settings: DriftSettings) -> dict[str, FieldDrift]:
    return {c: FieldDrift(c, distances[c], _limit(drawn, c, settings)) for c in (*drawn.categorical, *drawn.numeric)}


def _against(name: str, current: Looked, reference: Reference, found: Mapping[str, FieldDrift]) -> ReferenceDrift:
    now, then = current.counts, reference.counts
    return ReferenceDrift(
        name=name,
        rows=len(reference),
        fields=tuple(field for column, field in found.items() if column != SCORE),
        ids=tuple(_id_drift(column, now, then) for column in now.ids if column in then.ids),
        score=found.get(SCORE, FieldDrift(SCORE, float("nan"), float("nan"))),
        reward=then.reward,
        z=_z(now.reward, now.matured, then.reward, then.matured),
        score_spread=reference.score_spread,
    )


def _id_drift(column: str, now: Counts, then: Counts) -> IdDrift:
    known = then.fields[column]
    expected = float("nan") if column == USER or not len(then) else known.once(then.rows)
    return IdDrift(column, now.fields[column].unseen(known) if len(now) else float("nan"), expected)


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
