"""A trained ranker as plain arrays: what reads it needs no torch, and gives an example the same bits in any company.

A library's matrix product sums in an order that depends on how many rows it is given, so the logit of an
example would depend on what is scored beside it, and a logged propensity could be recomputed only in the same company.
Here every example is summed by itself, in one order, by compiled loops: service, worlds and gate agree to
the last bit.

What an example costs is split in halves. The first layer and the first layer of the attention (Zhou et al. 2018, KDD,
equation 3) are linear in the fields, so the fields of the item contribute a part that depends on the item alone, and
those of the request one that depends on the request alone:

    relu(B [v_request ; v_item ; interest] + b) = relu((B_r v_request + b) + B_i v_item + B_p interest).

Each is computed once per request and once per item (a catalogue keeps the items' parts for good); what is left for a
pair are the interest, its part of the first layer, and the layers after it. Recent items that are absent are skipped.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from components.compiled import plain
from components.domain import MISSING_KEY, Bools, Examples, Floats, Ints, Keys, Prediction
from components.feature_spec import FeatureSpec, Field, FieldOf
from components.ranker.features import RECENT
from components.ranker.forward_loops import Half, Past, Weights, combine, embed, multiply
from components.ranker.hashing import AnyVocabulary
from components.ranker.layered import Layered
from components.ranker.online_logistic import OnlineLogistic
from components.ranker.row_sums import Sums, row_sums
from components.ranker.scaling import Scaling

CALIBRATION_PRECISION = 10.0
"""Prior precision around the identity; a thousand outcomes outweigh it twentyfold."""
CALIBRATION_DISCOUNT = 0.99
"""Share of the evidence about the calibration kept per 1,000 outcomes."""
AT_ONCE = 8192
"""Examples whose halves are held at a time."""


def fresh_calibration() -> OnlineLogistic:
    """From raw logits to those of the reward, before the first outcome."""
    return OnlineLogistic(0, CALIBRATION_PRECISION, CALIBRATION_DISCOUNT)


class Finds(Protocol):
    """What knows the row of a key."""

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """Rows of (n, C) keys, as `Vocabulary.find`."""


@dataclass(frozen=True)
class Side:
    """The fields that one side brings: where their values stand, and their part of the first layers."""

    columns: Ints
    """(C',) of the key columns."""
    bounds: Ints
    """(keyed fields + 1,) of `columns`."""
    numbers: Ints
    """(M',) of the numeric columns."""
    vocabulary_of: Ints
    """(C',) vocabulary of each of `columns`."""
    early: Floats
    """(F' D, H1) part of the first layer; without columns where there is none."""
    bias: Floats
    """(H1,) added to it."""
    numeric: Floats
    """(M', D + 1) vectors and first-order weights of the numeric fields."""


@dataclass(frozen=True)  # no slots: what follows from the weights is worked out once
class Forward:
    """A model, ready to predict. Immutable; equal weights give equal bits.

    Attributes
    ----------
    spec, vocabulary : how examples are read.
    size : D, numbers per embedding.
    table : (rows, D + 1 or more) embeddings, first-order weights, and what does not concern predicting.
    sums : of the table's base (`components.ranker.row_sums`), where somebody knows them.
    dense : name -> array of the dense part, named as `components.ranker.model` names them.
    scaling, calibration : of numeric fields, and of logits.
    """

    spec: FeatureSpec
    vocabulary: AnyVocabulary | Finds
    size: int
    table: Layered[np.float32]
    dense: Mapping[str, npt.NDArray[np.float32]]
    scaling: Scaling
    calibration: OnlineLogistic
    sums: Sums | None = None

    @property
    def hidden_size(self) -> int:
        """H, the width of `Prediction.hidden`."""
        return int(self.weights.sizes[-1]) if len(self.weights.sizes) else self.size

    def digest(self) -> str:
        """What a memory that belongs to it is known by: SHA-256 of its weights, of the table by its rows' sums."""
        sums = row_sums(self.table, self.size + 1, self.sums)
        sha = hashlib.sha256(np.append(np.uint64(self.table.rows), sums).tobytes())
        for _, array in sorted((dict(self.dense) | dict(self.calibration.state())).items()):
            sha.update(array.tobytes())
        return sha.hexdigest()

    def predict(self, examples: Examples) -> Prediction:
        """Calibrated logits and hidden layers of n examples."""
        return self._calibrated(self.predict_raw(examples))

    def predict_raw(self, examples: Examples) -> Prediction:
        """What the network itself says: its logits are those of the graded target."""
        said = [self._raw(examples.take(slice(at, at + AT_ONCE))) for at in range(0, len(examples), AT_ONCE)]
        if len(said) == 1:
            return said[0]
        none = np.empty((0, self.hidden_size), np.float32)
        return Prediction(
            np.concatenate([np.empty(0, np.float32), *(one.logit for one in said)]),
            np.concatenate([none, *(one.hidden for one in said)]),
        )

    def predict_pairs(self, asked: Examples, request: Ints, items: Half, item: Ints) -> Prediction:
        """Calibrated logits and hidden layers of n pairs, from the items' halves.

        Parameters
        ----------
        asked : (r,) one example per request; of its columns only those of the request are read.
        request, item : (n,) indices into `asked` and `items`.
        """
        return self._calibrated(self._pairs(asked, request, items, item))

    def unknown(self, examples: Examples) -> Bools:
        """(n, 2) whether the user, and the item, of each example has no row of its own."""
        keys = plain(examples.keys[:, [self.spec.columns[field.name].start for field in self.spec.fields[:2]]])
        rows = self.vocabulary.find(keys, np.arange(2)).reshape(len(keys), 2, -1)[..., 0]
        return np.asarray(rows <= len(self.spec.vocabularies))

    def items(self, keys: Keys, numeric: Floats) -> Half:
        """The halves of n items, from the (n, C) keys and (n, M) numbers of examples they stand in."""
        return self._half(self._item, keys, numeric)

    def prepare(self) -> None:
        """Work out everything that follows from the weights; raises ValueError or KeyError if they do not fit."""
        width = self.spec.key_columns
        nobody = Examples(
            np.zeros((1, width), np.uint64), np.zeros((1, len(self.spec.numeric)), np.float32), np.zeros(1, np.int64)
        )
        self.predict(nobody)

    @cached_property
    def weights(self) -> Weights:
        """The dense part after the halves."""
        return _weights(self)

    def _raw(self, examples: Examples) -> Prediction:
        request = _runs(examples, self._request.columns, self._request.numbers)
        first = np.flatnonzero(np.diff(request, prepend=-1))
        items = self._half(self._item, examples.keys, examples.numeric)
        return self._pairs(examples.take(first), request, items, np.arange(len(examples)))

    def _pairs(self, asked: Examples, request: Ints, items: Half, item: Ints) -> Prediction:
        requests = self._half(self._request, asked.keys, asked.numeric)
        out = Prediction(np.empty(len(item), np.float32), np.empty((len(item), self.hidden_size), np.float32))
        combine(request, requests, self._past(asked.keys), item, items, self.weights, out.logit, out.hidden)
        return out

    def _calibrated(self, raw: Prediction) -> Prediction:
        return Prediction(self.calibration.apply(raw.logit.astype(np.float64)).astype(np.float32), raw.hidden)

    def _half(self, side: Side, keys: Keys, numeric: Floats) -> Half:
        rows = self.vocabulary.find(plain(keys[:, side.columns]), side.vocabulary_of)
        known = keys[:, side.columns] != MISSING_KEY
        values = plain(self.scaling.apply(numeric)[:, side.numbers])
        fields = len(side.bounds) - 1 + len(side.numbers)
        vectors, first = np.zeros((len(keys), fields * self.size), np.float32), np.zeros(len(keys), np.float32)
        embed(rows, known, values, self.size, *self.table.parts, side.bounds, side.numeric, vectors, first)
        early = np.tile(side.bias, (len(keys), 1))
        multiply(vectors, side.early, early)
        query = np.tile(self._attention.bias, (len(keys), 1))
        multiply(vectors[:, : self.size], self._attention.item, query)
        return Half(vectors, first, early, query)

    def _past(self, keys: Keys) -> Past:
        columns = self.spec.columns[RECENT] if len(self.weights.attention) else slice(0, 0)
        width = columns.stop - columns.start
        rows = self.vocabulary.find(plain(keys[:, columns]), self.spec.vocabulary_of_column[columns])
        known = plain(keys[:, columns] != MISSING_KEY)
        vectors, first = np.zeros((len(keys) * width, self.size), np.float32), np.zeros(len(keys) * width, np.float32)
        one = np.array([0, 1])
        embed(
            rows.reshape(len(vectors), rows.shape[1] // max(width, 1)),
            known.reshape(-1, 1),
            np.empty((len(vectors), 0), np.float32),
            self.size,
            *self.table.parts,
            one,
            np.empty((0, self.size + 1), np.float32),
            vectors,
            first,
        )
        early = np.zeros((len(vectors), len(self.weights.attention)), np.float32)
        multiply(vectors, self._attention.recent, early)
        shape = (len(keys), width)
        return Past(vectors.reshape(*shape, self.size), known, early.reshape(*shape, early.shape[1]))

    @cached_property
    def _request(self) -> Side:
        return self._side(lambda field: field.of is not FieldOf.ITEM, self.dense.get("network.deep.layers.0.bias"))

    @cached_property
    def _item(self) -> Side:
        return self._side(lambda field: field.of is FieldOf.ITEM, None)

    @cached_property
    def _attention(self) -> "Attention":
        return Attention.of(self.dense, self.size)

    def _side(self, belongs: "Belongs", bias: Floats | None) -> Side:
        spec, ours = self.spec, [field for field in self.spec.keyed if belongs(field)]
        columns = [np.arange(spec.key_columns)[spec.columns[field.name]] for field in ours]
        numbers = np.array([m for m, field in enumerate(spec.numeric) if belongs(field)], np.int64)
        flat = np.concatenate([np.empty(0, np.int64), *columns])
        first = self.dense.get("network.deep.layers.0.weight")
        width = 0 if first is None else len(first)
        inputs = side_inputs(spec, belongs, self.size)
        early = np.empty((len(inputs), 0), np.float32) if first is None else plain(first[:, inputs].T)
        return Side(
            columns=flat,
            bounds=np.append(0, np.cumsum([len(c) for c in columns], dtype=np.int64)),
            numbers=numbers,
            vocabulary_of=spec.vocabulary_of_column[flat],
            early=early,
            bias=np.zeros(width, np.float32) if bias is None else bias,
            numeric=plain(self.dense["numeric.weight"][numbers]),
        )


class Belongs(Protocol):
    """Whether a field is of a side."""

    def __call__(self, field: Field) -> bool: ...


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention's first layer in its parts; of no width where the network has none.

    Of ``[r ; i ; r - i ; r * i]``, r a recent item, i the item asked about: `recent` (D, A) and `item` (D, A), both
    with their share of the difference, `pair` (D, A), and `bias` (A,).
    """

    recent: Floats
    item: Floats
    pair: Floats
    bias: Floats

    @classmethod
    def of(cls, dense: Mapping[str, npt.NDArray[np.float32]], size: int) -> "Attention":
        """From the weights of `components.ranker.din`."""
        if "network.attention.0.weight" not in dense:
            none = np.empty((size, 0), np.float32)
            return cls(none, none, none, np.empty(0, np.float32))
        recent, item, apart, pair = np.split(dense["network.attention.0.weight"].T, 4)
        return cls(plain(recent + apart), plain(item - apart), plain(pair), dense["network.attention.0.bias"])


def side_inputs(spec: FeatureSpec, belongs: Belongs, size: int) -> Ints:
    """Which inputs of a layer over all field vectors are those of a side, in the side's own order."""
    fields = [at for at, field in enumerate((*spec.keyed, *spec.numeric)) if belongs(field)]
    return (np.array(fields, np.int64)[:, None] * size + np.arange(size)).ravel()


def _weights(forward: Forward) -> Weights:
    dense, size, spec = forward.dense, forward.size, forward.spec
    none, square = np.empty(0, np.float32), np.empty((0, 0), np.float32)
    deep = [n for n in range(len(dense)) if f"network.deep.layers.{n}.weight" in dense]
    layers = [(dense[f"network.deep.layers.{n}.weight"], dense[f"network.deep.layers.{n}.bias"]) for n in deep]
    crossed = [n for n in range(len(dense)) if f"network.cross.{n}.weight" in dense]
    order = np.concatenate(
        [
            side_inputs(spec, lambda field: field.of is not FieldOf.ITEM, size),
            side_inputs(spec, lambda field: field.of is FieldOf.ITEM, size),
        ]
    )
    attention = Attention.of(dense, size)
    out = dense["network.out.weight"][0] if "network.out.weight" in dense else none
    bias = dense.get("network.bias", dense.get("network.out.bias"))
    cross = [plain(dense[f"network.cross.{n}.weight"][np.ix_(order, order)].T) for n in crossed]
    return Weights(
        interest=plain(layers[0][0][:, len(order) :].T) if layers else square,
        pair=attention.pair,
        attention=dense["network.attention.2.weight"][0] if len(attention.bias) else none,
        attention_bias=np.float32(dense["network.attention.2.bias"][0]) if len(attention.bias) else np.float32(0),
        later=np.concatenate([none, *(np.append(weight.T.ravel(), bias) for weight, bias in layers[1:])]),
        sizes=np.array([len(weight) for weight, _ in layers], np.int64),
        cross=np.stack(cross) if cross else np.empty((0, 0, 0), np.float32),
        cross_bias=np.stack([dense[f"network.cross.{n}.bias"][order] for n in crossed]) if cross else square,
        hidden_out=plain(out[len(order) :] if cross else out),
        cross_out=plain(out[: len(order)][order]) if cross else none,
        bias=np.float32(0 if bias is None else bias.ravel()[0]),
        pairwise="network.bias" in dense,
    )


def _runs(examples: Examples, columns: Ints, numbers: Ints) -> Ints:
    """(n,) number of the run of examples that agree in all of a request's columns; 0, 0, 1, 1, 1, 2, ..."""
    keys, values = examples.keys[:, columns], examples.numeric[:, numbers].view(np.int32)
    new = (keys[1:] != keys[:-1]).any(1) | (values[1:] != values[:-1]).any(1)
    return np.append(np.zeros(min(len(examples), 1), np.int64), np.cumsum(new, dtype=np.int64))
