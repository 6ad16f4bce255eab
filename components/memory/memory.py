"""The error memory: answers "where is the model wrong right now?" and corrects it without a gradient.

Fast learner beside the slow network (Zhu et al. 2023, ReLoop2, KDD): views hold evidence about the model's
prequential errors and about outcomes, trust learns how much each is worth. Written while serving, read with
every score; belongs to one generation.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from components.array_digest import array_digest
from components.domain import ContractBroken, Doubles, Examples, Floats, Keys, Matured, Prediction
from components.feature_spec import FeatureSpec
from components.frozen import Frozen
from components.memory import state_file
from components.memory.amounts import Amounts
from components.memory.choose import CANDIDATES, chosen, steps
from components.memory.graded import Graded
from components.memory.settings import MemorySettings
from components.memory.trust import Trust
from components.memory.trust_report import TrustReport, TrustWeight
from components.memory.view import Part, State, View
from components.memory.views import build, needs_no_model, rehearse
from components.ranker.graded_labels import GradedLabels

__all__ = ["ErrorMemory", "MemorySettings", "TrustReport", "TrustWeight"]

AMOUNTS = "amounts"
"""Name of the part that learns what rewards are worth."""


class MemoryHead(Frozen):
    """What is saved beside the arrays; `chosen` are the settings that `ErrorMemory.prime` chose by its data.

    `model_digest` names the weights whose errors are remembered; empty in memories that were saved without one.
    """

    outcomes: int
    history: int
    hidden_size: int
    seed: int
    chosen: dict[str, float]
    interactions: tuple[tuple[str, ...], ...]
    graded_labels: dict[str, list[float]]
    model_digest: str = ""


class ErrorMemory:
    """Views with learned trust.

    `model_digest` is that of the model whose errors it remembers; empty where nobody said.
    """

    def __init__(self, spec: FeatureSpec, hidden_size: int, settings: MemorySettings, seed: int, amounts: bool) -> None:
        self._spec, self._hidden_size, self._settings, self._seed = spec, hidden_size, settings, seed
        self._views: dict[str, View] = build(spec, hidden_size, settings, seed)
        signals = sum(len(view.signals) for view in self._views.values())
        self._graded = Graded(settings.trust_precision, settings.trust_discount)
        self._trust = Trust(signals, settings.trust_precision, settings.trust_discount)
        self._amounts = Amounts(spec, settings) if amounts else None
        self._outcomes = 0
        self._history = 0
        self.model_digest = ""

    @classmethod
    def empty(
        cls, spec: FeatureSpec, hidden_size: int, settings: MemorySettings, seed: int = 0, *, amounts: bool = False
    ) -> "ErrorMemory":
        """A memory that knows nothing: it returns the base model's logits bit for bit.

        With `amounts`, grades are amounts, and what a reward is worth is learned beside its probability.
        """
        return cls(spec, hidden_size, settings, seed, amounts)

    def __len__(self) -> int:
        return self._outcomes

    @property
    def settings(self) -> MemorySettings:
        """The settings in use, with what `prime` chose."""
        return self._settings

    @property
    def hidden_size(self) -> int:
        """H, numbers of a hidden state of the model it belongs to."""
        return self._hidden_size

    @property
    def nbytes(self) -> int:
        """Bytes of what has been learned."""
        return sum(array.nbytes for array in self._arrays().values())

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats:
        """(n,) compensated logits; never mutates.

        Parameters
        ----------
        prediction : the base model's own, for the same n examples.
        """
        if not self._outcomes:
            return prediction.logit.astype(np.float32)
        told = {name: view.read(examples, prediction) for name, view in self._views.items()}
        signals = self._about_rewards(told, prediction)
        return self._trust.apply(prediction.logit.astype(np.float64), signals).astype(np.float32)

    def explain(self, examples: Examples, prediction: Prediction) -> Mapping[str, Doubles]:
        """What `compensate` adds to the base logit, (n,) by name: the intercept, the base logit's own, each signal's.

        Empty for a memory that knows nothing.
        """
        if not self._outcomes:
            return {}
        logit = prediction.logit.astype(np.float64)
        told = {name: view.read(examples, prediction) for name, view in self._views.items()}
        shares = self._trust.shares(logit, self._about_rewards(told, prediction))
        return dict(zip(self._signal_names, shares, strict=True))

    def log_amount(self, examples: Examples) -> Doubles | None:
        """(n,) log of the expected amount given a reward; None where rewards are yes or no. Never mutates."""
        return None if self._amounts is None else self._amounts.read(examples)

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats, grade: Floats | None = None) -> None:
        """Learn n outcomes in order of arrival.

        Parameters
        ----------
        prediction : the base model's, made before the outcomes were known (prequential). Predictions
            of a model that was trained on these rows would show no error, and teach the memory nothing.
        grade : (n,) how strong the outcomes were, as in `Matured`, if that is known.
        """
        for start in range(0, len(examples), self._settings.batch):
            step = slice(start, start + self._settings.batch)
            rows, outcome = examples.take(step), reward[step]
            part = Prediction(prediction.logit[step], prediction.hidden[step])
            graded = None if grade is None else grade[step]
            before = {
                name: view.learn(rows, part, self._graded.target(name, rows, outcome, graded))
                for name, view in self._views.items()
            }
            self._trust.learn(part.logit.astype(np.float64), outcome, self._about_rewards(before, part))
            for name, signals in before.items():
                self._graded.learn(name, signals, part, outcome)
            self._learn_amounts(rows, outcome, graded)
            self._outcomes += len(rows)

    def prime(self, history: Matured) -> None:
        """Tell the views that need no model what happened before there was one, such as the pre-training rows.

        Trust learns nothing from it, so the memory still is the base model, bit for bit, until the first
        `learn`. An empty memory first learns the scores of outcomes from it, and chooses its prior
        standard deviations and half-life, if the settings say so.
        """
        if not self._outcomes and not self._history:
            self._choose(history)
        for name in needs_no_model(self._views):
            for part in steps(history, self._settings.batch):
                examples, reward = part.matured.examples, part.matured.reward
                target = self._graded.target(name, examples, reward, part.matured.grade)
                self._graded.learn(
                    name, self._views[name].learn(examples, part.prediction, target), part.prediction, reward
                )
        for part in steps(history, self._settings.batch):
            self._learn_amounts(part.matured.examples, part.matured.reward, part.matured.grade)
        self._history += len(history)

    def rebase(self, predict: Callable[[Examples], Prediction], model_digest: str = "") -> None:
        """After a warm start: re-encode what depends on the network, keep the predictions as recorded.

        From here on it belongs to the model of `model_digest`.
        """
        self.model_digest = model_digest
        for view in self._views.values():
            view.rebase(predict)

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop what is known of some ids of a field: they read as somebody nobody ever met.

        What all ids together taught stays: trust, calibration, the effects of everything else, sums over everybody.

        Parameters
        ----------
        known : field -> keys of all its values, to find what is remembered of an id together with them.
        """
        for view in self._views.values():
            view.forget(field, keys, known)
        if self._amounts is not None:
            self._amounts.forget(field, keys, known)

    def belongs_to(self, model_digest: str) -> bool:
        """Whether it remembers the errors of that model; nothing is held against a memory that names none."""
        return self.model_digest in ("", model_digest)

    def trust_report(self) -> TrustReport:
        """The trust weights, for reports."""
        rows = zip(self._signal_names, self._trust.weight, self._trust.error, strict=True)
        return TrustReport(self._outcomes, tuple(TrustWeight(n, float(w), float(e)) for n, w, e in rows))

    @property
    def _signal_names(self) -> list[str]:
        return ["intercept", "base logit", *(s for view in self._views.values() for s in view.signals)]

    def copy(self) -> "ErrorMemory":
        """An independent memory with the same content."""
        twin = ErrorMemory.empty(self._spec, self._hidden_size, self._settings, self._seed)
        twin._amounts = None if self._amounts is None else self._amounts.copy()
        twin._views = {name: view.copy() for name, view in self._views.items()}
        twin._graded.graded_labels = self._graded.graded_labels
        twin._graded.load(self._graded.state())
        twin._trust.load(self._trust.state())
        twin._outcomes, twin._history, twin.model_digest = self._outcomes, self._history, self.model_digest
        return twin

    def digest(self) -> str:
        """SHA-256 of the state; equal for equal histories of writes."""
        return array_digest(self._head(), self._arrays())

    def save(self, folder: Path) -> None:
        """Write `memory.safetensors` and `memory.json` into `folder`, whole or not at all."""
        state_file.save(folder, self._head(), self._arrays())

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec, settings: MemorySettings) -> "ErrorMemory":
        """The memory saved in `folder`; what it had chosen by its data stands in for those of `settings`.

        Raises
        ------
        ContractBroken
            If a file is missing, half-written or altered, or was written under other views; one line.
        """
        head, arrays = state_file.load(folder)
        saved = MemoryHead.model_validate(head)
        if settings.choose:
            settings = settings.model_copy(update={**saved.chosen, "interactions": saved.interactions})
        amounts = any(name.startswith(f"{AMOUNTS}/") for name in arrays)
        memory = cls.empty(spec, saved.hidden_size, settings, saved.seed, amounts=amounts)
        memory._outcomes, memory._history, memory.model_digest = saved.outcomes, saved.history, saved.model_digest
        memory._graded.graded_labels = GradedLabels.of(saved.graded_labels)
        memory._restore(arrays, folder)
        rehearse(spec, saved.hidden_size, settings)
        return memory

    def _choose(self, history: Matured) -> None:
        self._graded.fit(history)
        if self._settings.choose:
            scored = Matured(history.examples, self._graded.graded_labels.target(history))
            self._settings = chosen(self._spec, scored, self._settings)
            self._views = build(self._spec, self._hidden_size, self._settings, self._seed)

    def _learn_amounts(self, examples: Examples, reward: Floats, amount: Floats | None) -> None:
        if self._amounts is not None and amount is not None:
            self._amounts.learn(examples, reward, amount)

    def _about_rewards(self, told: dict[str, Doubles], prediction: Prediction) -> Doubles:
        return np.column_stack([self._graded.read(name, signals, prediction) for name, signals in told.items()])

    def _restore(self, arrays: State, folder: Path) -> None:
        for name, part in self._parts().items():
            own = {key.partition("/")[2]: a for key, a in arrays.items() if key.startswith(f"{name}/")}
            if own.keys() != part.state().keys():
                raise ContractBroken(f"memory at {folder} lacks view {name}; it has {_names(arrays)}; see memory.views")
            part.load(own)

    def _head(self) -> dict[str, object]:
        values = {name: getattr(self._settings, name) for name in CANDIDATES}
        head = MemoryHead(
            outcomes=self._outcomes,
            history=self._history,
            hidden_size=self._hidden_size,
            seed=self._seed,
            chosen=values,
            interactions=self._settings.interactions,
            graded_labels=self._graded.graded_labels.lists(),
            model_digest=self.model_digest,
        )
        return head.model_dump(mode="json")

    def _parts(self) -> dict[str, Part]:
        amounts: dict[str, Part] = {} if self._amounts is None else {AMOUNTS: self._amounts}
        return {"trust": self._trust, "calibration": self._graded, **self._views, **amounts}

    def _arrays(self) -> State:
        return {f"{name}/{key}": a for name, part in self._parts().items() for key, a in part.state().items()}


def _names(arrays: State) -> str:
    return ", ".join(sorted({key.partition("/")[0] for key in arrays}))
