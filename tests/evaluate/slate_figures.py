"""Bias, coverage and width of every slate model under two laws of users: ``python -m tests.evaluate.slate_figures``."""

import sys

import numpy as np

from components.evaluate.evaluate import EvaluateSettings, evaluate
from tests.evaluate.test_slate_values import drawn, truth

LOGS, REQUESTS = 200, 1000


def main() -> None:
    """One line per law and model: mean error, share of 95 % intervals that hold the truth, their mean width."""
    for law in ("position", "cascade"):
        told: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(LOGS):
            found = evaluate(*drawn(law, 1000 + seed, REQUESTS), None, EvaluateSettings())
            values = {"cascade": found.value} | {o.model: o.value for o in found.other_models}
            for model, e in values.items():
                told.setdefault(model, []).append((e.value, e.lower, e.upper))
        value = truth(law).sum()
        for model, estimates in told.items():
            middle, lower, upper = np.array(estimates).T
            held, width = ((lower <= value) & (value <= upper)).mean(), (upper - lower).mean()
            line = f"{law:9} {model:12} error {middle.mean() - value:+.4f} covered {held:.1%} width {width:.3f}"
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
