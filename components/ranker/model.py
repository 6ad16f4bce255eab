"""A ranker: feature spec + vocabulary + growing embedding table + network.

`predict` reads and never changes anything: an unknown key reads its shared's
out-of-vocabulary row, `MISSING_KEY` reads zeros. The network learns graded targets,
and a calibration turns its raw logits into those of P(reward = 1).
"""

import numpy as np
import torch
from torch import nn

from components.domain import MISSING_KEY, Examples, Floats, Ints, Keys, Prediction
from components.feature_spec import FeatureSpec
from components.ranker.dcnv2 import DCNv2
from components.ranker.deepfm import DeepFM
from components.ranker.din import DIN
from components.ranker.features import RECENT
from components.ranker.fm import FM
from components.ranker.forward import Forward, fresh_calibration
from components.ranker.graded_labels import GradedLabels
from components.ranker.hashing import FUNCTIONS, AnyVocabulary, HashedVocabulary, empty_vocabulary
from components.ranker.layer_files import Base
from components.ranker.network import Inputs, Network, Scores
from components.ranker.scaling import Scaling
from components.ranker.settings import RankerSettings
from components.ranker.table import EmbeddingTable, initial_rows
from components.ranker.vocabulary import Turnover, Vocabulary

_ARCHITECTURES: dict[str, type[Network]] = {"fm": FM, "deepfm": DeepFM, "dcnv2": DCNv2, "din": DIN}


class NumericFields(nn.Module):
    """Each numeric field's vector and weight, times its value: (n, M) -> (n, M, D + 1)."""

    def __init__(self, fields: int, embedding_size: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fields, embedding_size + 1) * scale)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(n, M, D + 1)."""
        return values[:, :, None] * self.weight


def _architecture(spec: FeatureSpec, settings: RankerSettings) -> type[Network]:
    if settings.architecture == "auto":
        return DIN if RECENT in spec.columns else DeepFM
    return _ARCHITECTURES[settings.architecture]


class Model:
    """What predicts; see the module.

    Attributes
    ----------
    spec, settings, seed : what it was made of.
    vocabulary, table, network, numeric_fields, scaling : its parts.
    graded_labels : what it learns of an outcome; calibration : from its raw logit to that of the reward.
    base : the files that table and vocabulary are changes against, if they were read from files.
    """

    def __init__(
        self, spec: FeatureSpec, settings: RankerSettings, seed: int, vocabulary: AnyVocabulary, table: EmbeddingTable
    ) -> None:
        self.spec, self.settings, self.seed = spec, settings, seed
        self.vocabulary, self.table = vocabulary, table
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: Network = _architecture(spec, settings)(spec, settings)
            self.numeric_fields = NumericFields(len(spec.numeric), settings.embedding_size, settings.init_scale)
        self.dense = nn.ModuleDict({"network": self.network, "numeric": self.numeric_fields}).eval()
        self.scaling = Scaling(np.zeros(len(spec.numeric), np.float32), np.ones(len(spec.numeric), np.float32))
        self.graded_labels = GradedLabels.plain()
        self.calibration = fresh_calibration()
        self.base: Base | None = None
        self._column_vocabulary = spec.vocabulary_of_column
        self._probes = FUNCTIONS.get(settings.table, 1)
        self._widths = [field.width for field in spec.keyed]

    @classmethod
    def fresh(cls, spec: FeatureSpec, settings: RankerSettings, seed: int) -> "Model":
        """A model that has seen nothing: it predicts the same for everybody."""
        vocabulary = empty_vocabulary(spec, settings)
        model = cls(spec, settings, seed, vocabulary, EmbeddingTable.empty(vocabulary.rows, settings.embedding_size))
        if isinstance(vocabulary, HashedVocabulary):
            rows = np.arange(vocabulary.rows - vocabulary.buckets, vocabulary.rows)
            model.table.put(rows, model._initial(rows.astype(np.uint64)))
        return model

    def copy(self) -> "Model":
        """An independent copy."""
        twin = Model(self.spec, self.settings, self.seed, self.vocabulary.copy(), self.table.copy())
        twin.dense.load_state_dict(self.dense.state_dict())
        twin.scaling, twin.graded_labels = self.scaling, self.graded_labels
        twin.calibration.load(self.calibration.state())
        twin.base = self.base
        return twin

    @property
    def hidden_size(self) -> int:
        """H, the width of `Prediction.hidden`."""
        return self.network.hidden_size

    def digest(self) -> str:
        """What a memory that belongs to it is known by, see `Forward.digest`."""
        return self.forward().digest()

    def rows(self, keys: Keys) -> Ints:
        """(n, C P) table rows of (n, C) keys; P rows side by side per key, 1 but for a doubly hashed table."""
        return self.vocabulary.find(keys, self._column_vocabulary)

    def observe(self, examples: Examples) -> None:
        """Let the vocabulary count what a window showed."""
        self.vocabulary.observe(examples.keys, examples.at, self._column_vocabulary)

    def turn_over(self, admission_count: int, oldest: int, floor: int) -> Turnover:
        """Expire and admit ids; every row that changed hands is fresh afterwards."""
        turnover = self.vocabulary.turn_over(admission_count, oldest, floor)
        self.table.resize(self.vocabulary.rows)
        self.table.put(turnover.expired_rows, 0.0)
        self.table.put(turnover.admitted_rows, self._initial(turnover.admitted.keys))
        return turnover

    def forget(self, keys: Keys) -> None:
        """Empty the rows of some ids, which are free then, with their learning history.

        What was written before keeps them: where the base knows one, what is made from now on is written without it.
        """
        if isinstance(self.vocabulary, Vocabulary) and self.vocabulary.base_knows(keys):
            self.base = None
        self.table.put(self.vocabulary.forget(keys), 0.0)

    def score(self, vectors: torch.Tensor, first: torch.Tensor, present: torch.Tensor, numeric: torch.Tensor) -> Scores:
        """Scores of n examples from what the table holds for their keys.

        Parameters
        ----------
        vectors : (n, C P, D); first : (n, C P), see `rows`; present : (n, C), where a value is known.
        numeric : (n, M), standardised.
        """
        if self._probes > 1:
            vectors = vectors.unflatten(1, (-1, self._probes)).sum(2)  # (n, C P, D) -> (n, C, D)
            first = first.unflatten(1, (-1, self._probes)).sum(2)  # (n, C)
        fields, weights = self._pool(vectors, present), self._pool(first[..., None], present)[..., 0]
        if numeric.shape[1]:
            scaled = self.numeric_fields(numeric)  # (n, M, D + 1)
            fields = torch.cat([fields, scaled[..., :-1]], 1)  # (n, F, D)
            weights = torch.cat([weights, scaled[..., -1]], 1)  # (n, F)
        return self.network(Inputs(fields, weights, vectors, present))

    def forward(self) -> Forward:
        """What predicts with the weights as they are now."""
        dense = {name: tensor.numpy() for name, tensor in self.dense.state_dict().items()}
        return Forward(
            spec=self.spec,
            vocabulary=self.vocabulary,
            size=self.settings.embedding_size,
            table=self.table.layers,
            dense=dense,
            scaling=self.scaling,
            calibration=self.calibration,
            sums=None if self.base is None else self.base.sums,
        )

    def predict(self, examples: Examples) -> Prediction:
        """Calibrated logits and hidden layers of n examples; no gradient, nothing changes."""
        return self.forward().predict(examples)

    def predict_raw(self, examples: Examples) -> Prediction:
        """What the network itself says: its logits are those of the graded target."""
        return self.forward().predict_raw(examples)

    def score_examples(self, examples: Examples) -> Scores:
        """What `predict_raw` says, by torch, with a gradient."""
        rows = torch.from_numpy(self.rows(examples.keys))
        block = self.table.gather(rows.view(-1)).view(*rows.shape, -1)  # (n, C, D + 2)
        present = torch.from_numpy(examples.keys != MISSING_KEY)
        numeric = torch.from_numpy(self.scaling.apply(examples.numeric))
        return self.score(block[..., :-2].contiguous(), block[..., -2], present, numeric)

    def _initial(self, keys: Keys) -> Floats:
        return initial_rows(keys, self.settings.embedding_size, self.settings.init_scale, self.seed)

    def _pool(self, embedded: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Mean over the present values of each multi-valued field: (n, C, E) -> (n, keyed fields, E)."""
        if embedded.shape[1] == len(self._widths):
            return embedded
        known = torch.split(present, self._widths, 1)
        parts = [
            part if width == 1 else part.sum(1, keepdim=True) / count.sum(1).clamp(min=1)[:, None, None]
            for part, count, width in zip(torch.split(embedded, self._widths, 1), known, self._widths, strict=True)
        ]
        return torch.cat(parts, 1)
