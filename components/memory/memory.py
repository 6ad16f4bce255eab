"""The error memory: answers "where is the model wrong right now?" and corrects it without a gradient.

Fast learner beside the slow network (Zhu et al. 2023, ReLoop2, KDD): views hold decayed
evidence of the model's prequential errors, trust learns how much each is worth.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from components.domain import ContractBroken, Examples, FeatureSpec, Floats, Prediction
from components.memory.entity_view import EntityView
from components.memory.settings import MemorySettings
from components.memory.trust import Trust
from components.memory.view import View


@dataclass(frozen=True, slots=True)
class TrustWeight:
    """Weight of one input of the compensated logit."""

    signal: str
    weight: float


@dataclass(frozen=True, slots=True)
class TrustReport:
    """What the memory trusts: intercept, base logit, then one weight per signal."""

    outcomes: int
    weights: tuple[TrustWeight, ...]


class ErrorMemory:
    """Views with learned trust; belongs to one generation."""

    def __init__(self, spec: FeatureSpec, settings: MemorySettings, views: dict[str, View]) -> None:
        self._spec, self._settings, self._views = spec, settings, views
        signals = sum(len(v.signals) for v in views.values())
        self._trust = Trust(signals, settings.trust_precision, settings.trust_discount)
        self._outcomes = 0

    @classmethod
    def empty(cls, spec: FeatureSpec, hidden_size: int, settings: MemorySettings, seed: int = 0) -> "ErrorMemory":
        """A memory that knows nothing: it returns the base model's logits bit for bit."""
        crossings = settings.crossings or tuple((f.name,) for f in spec.keyed)
        entity = EntityView(spec, crossings, settings.half_life, settings.shrinkage)
        memory = cls(spec, settings, {"entity": entity})
        memory._hidden_size, memory._seed = hidden_size, seed
        return memory

    _hidden_size: int = 0
    _seed: int = 0

    def __len__(self) -> int:
        return self._outcomes

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats:
        """(n,) compensated logits; never mutates."""
        if not self._outcomes:
            return prediction.logit.astype(np.float32)
        signals = self._read(examples, prediction)
        return self._trust.apply(prediction.logit.astype(np.float64), signals).astype(np.float32)

    def write(self, examples: Examples, prediction: Prediction, reward: Floats) -> None:
        """Learn n outcomes in order of arrival, from the prediction made before they were known."""
        for start in range(0, len(examples), self._settings.batch):
            step = slice(start, start + self._settings.batch)
            part = Prediction(prediction.logit[step], prediction.hidden[step])
            rows, outcome = examples.take(step), reward[step]
            self._trust.learn(part.logit.astype(np.float64), self._read(rows, part), outcome)
            for view in self._views.values():
                view.write(rows, part, outcome)
            self._outcomes += len(rows)

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """After a warm start: re-encode what depends on the hidden space of the network."""

    def trust_report(self) -> TrustReport:
        """The trust weights, for reports."""
        names = ["intercept", "base logit", *(s for v in self._views.values() for s in v.signals)]
        weights = tuple(TrustWeight(n, float(w)) for n, w in zip(names, self._trust.weight, strict=True))
        return TrustReport(self._outcomes, weights)

    def copy(self) -> "ErrorMemory":
        """An independent memory with the same content."""
        twin = ErrorMemory(self._spec, self._settings, {n: v.copy() for n, v in self._views.items()})
        twin._hidden_size, twin._seed, twin._outcomes = self._hidden_size, self._seed, self._outcomes
        twin._trust.load(self._trust.state())
        return twin

    def digest(self) -> str:
        """SHA-256 of the state."""
        sha = hashlib.sha256(json.dumps(self._head(), sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def save(self, folder: Path) -> None:
        """Write `memory.safetensors` and `memory.json` into `folder`, each atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            pass
        save_file({n: np.ascontiguousarray(a) for n, a in self._arrays().items()}, part.name)
        os.replace(part.name, folder / "memory.safetensors")  # noqa: PTH105
        text = json.dumps({**self._head(), "digest": self.digest()}, sort_keys=True, indent=1)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as part_text:
            part_text.write(text)
        os.replace(part_text.name, folder / "memory.json")  # noqa: PTH105

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec, settings: MemorySettings) -> "ErrorMemory":
        """The memory saved in `folder`.

        Raises
        ------
        ContractBroken
            If a file is missing or the content does not have its recorded digest.
        """
        try:
            head = json.loads((folder / "memory.json").read_text())
            arrays = load_file(folder / "memory.safetensors")
        except FileNotFoundError as error:
            raise ContractBroken(f"no memory at {folder}: {error.filename} is missing") from None
        memory = cls.empty(spec, head["hidden_size"], settings, head["seed"])
        memory._outcomes = head["outcomes"]
        for name, part in [("trust", memory._trust), *memory._views.items()]:
            part.load({k.partition("/")[2]: a for k, a in arrays.items() if k.startswith(f"{name}/")})
        if memory.digest() != head["digest"]:
            raise ContractBroken(
                f"memory at {folder} has digest {memory.digest()[:12]}, recorded is {head['digest'][:12]}"
            )
        return memory

    def _head(self) -> dict[str, int]:
        return {"outcomes": self._outcomes, "hidden_size": self._hidden_size, "seed": self._seed}

    def _arrays(self) -> dict[str, np.ndarray]:
        parts = [("trust", self._trust), *self._views.items()]
        return {f"{name}/{key}": array for name, part in parts for key, array in part.state().items()}

    def _read(self, examples: Examples, prediction: Prediction) -> np.ndarray:
        return np.column_stack([v.read(examples, prediction) for v in self._views.values()])
