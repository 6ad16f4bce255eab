"""What the outcome view learns instead of yes and no, and how to read it as a statement about yes and no.

The view learns scores of how strong outcomes were (`components.ranker.graded_labels`): they say more about the next
outcome than the reward alone. What it then believes, a logit F of the score, is read as the logit of the reward,
``a + b F``, with a and b learned online from outcomes that the view had not learned yet.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from components.domain import Doubles, Examples, Floats, Matured, Prediction
from components.ranker.graded_labels import GradedLabels
from components.ranker.online_logistic import OnlineLogistic

VIEW = "outcome"
"""The view that learns scores. The residual view learns errors of probabilities, so it keeps to the reward."""


class Graded:
    """Scores of outcomes, and the calibration of the view that learns them."""

    def __init__(self, precision: float, discount: float) -> None:
        """Plain yes and no, until `fit`; the arguments are those of `OnlineLogistic`."""
        self.graded_labels = GradedLabels.plain()
        self._calibration = OnlineLogistic(0, precision, discount)

    def fit(self, history: Matured) -> None:
        """Learn the scores from history."""
        self.graded_labels = GradedLabels.fit(history)

    def target(self, view: str, examples: Examples, reward: Floats, grade: Floats | None) -> Floats:
        """(n,) what a view learns of n outcomes."""
        return self.graded_labels.target(Matured(examples, reward, grade)) if view == VIEW else reward

    def read(self, view: str, signals: Doubles, prediction: Prediction) -> Doubles:
        """(n, S) signals of a view, about the reward."""
        if view != VIEW or self.graded_labels.is_plain:
            return signals
        return self._calibration.apply(self._believed(signals, prediction))[:, None] - prediction.logit[:, None]

    def learn(self, view: str, signals: Doubles, prediction: Prediction, reward: Floats) -> None:
        """Learn the calibration from n outcomes and the view's own signals before them."""
        if view == VIEW and not self.graded_labels.is_plain:
            self._calibration.learn(self._believed(signals, prediction), reward)

    def state(self) -> Mapping[str, npt.NDArray]:
        """Of the calibration."""
        return self._calibration.state()

    def load(self, state: Mapping[str, npt.NDArray]) -> None:
        """Continue from `state`."""
        self._calibration.load(state)

    @staticmethod
    def _believed(signals: Doubles, prediction: Prediction) -> Doubles:
        return signals[:, 0] + prediction.logit.astype(np.float64)
