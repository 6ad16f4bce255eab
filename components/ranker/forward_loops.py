"""The forward pass of every network, compiled: loops over examples, and what they read.

Scratch arrays have a row per number and a column per pair, `LANES` of them, so that one instruction does the same for
several pairs while each is summed by itself. Sums go four inputs at a time.
"""

from typing import NamedTuple

import numpy as np

from components.compiled import compiled
from components.domain import Bools, Floats, Ints
from components.ranker.layered import Places

LANES = 64
"""Pairs that are computed side by side."""
LOG2_E, LN2_HIGH, LN2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
LARGEST = np.float32(80.0)
"""Beyond it exp leaves single precision, and a sigmoid has long been 0 or 1."""


class Half(NamedTuple):
    """What the fields of one side contribute, for n requests or n items.

    `vectors` (n, F' D) field vectors of the side; `first` (n,) first-order terms; `early` (n, H1) part of the first
    layer; `query` (n, A) part of the attention's first layer, items only.
    """

    vectors: Floats
    first: Floats
    early: Floats
    query: Floats

    def take(self, rows: Ints) -> "Half":
        """The rows `rows`."""
        return Half(*(part[rows] for part in self))


class Past(NamedTuple):
    """Recent items of n requests: `vectors` (n, W, D), `known` (n, W), `early` (n, W, A) of the attention."""

    vectors: Floats
    known: Bools
    early: Floats


class Weights(NamedTuple):
    """The dense part after the halves; what an architecture lacks is empty.

    `interest` (D, H1); `pair` (D, A), `attention` (A,) and its bias; `later` the (in, out) weights of the layers after
    the first, with their biases, end to end, `sizes` of all layers; `cross` (L, I, I) as (in, out) and its biases;
    `hidden_out`, `cross_out`, `bias` of the output; `pairwise` whether inner products of fields are added.
    """

    interest: Floats
    pair: Floats
    attention: Floats
    attention_bias: np.float32
    later: Floats
    sizes: Ints
    cross: Floats
    cross_bias: Floats
    hidden_out: Floats
    cross_out: Floats
    bias: np.float32
    pairwise: bool


@compiled
def embed(
    rows: Ints,
    known: Bools,
    values: Floats,
    size: int,
    base: Floats,
    own: Floats,
    place: Places,
    bounds: Ints,
    numeric: Floats,
    vectors: Floats,
    first: Floats,
) -> None:
    """Field vectors (n, F D), a field of several values as the mean of those there are, and first-order terms.

    `base`, `own` and `place` are the parts of a table, see `components.ranker.layered`.
    """
    probes = 1
    if known.shape[1] > 0:
        probes = rows.shape[1] // known.shape[1]
    for n in range(len(vectors)):
        for field in range(len(bounds) - 1):
            present = 0
            weight = np.float32(0)
            for column in range(bounds[field], bounds[field + 1]):
                present += known[n, column]
                for probe in range(column * probes, (column + 1) * probes):
                    row = rows[n, probe]
                    at = row if len(place) == 0 else np.int64(place[row])
                    one = own[at] if at >= 0 else base[row]
                    for d in range(size):
                        vectors[n, field * size + d] += one[d]
                    weight += one[size]
            if present > 1:
                share = np.float32(present)
                for d in range(size):
                    vectors[n, field * size + d] /= share
                weight /= share
            first[n] += weight
        for m in range(len(numeric)):
            field = len(bounds) - 1 + m
            for d in range(size):
                vectors[n, field * size + d] = values[n, m] * numeric[m, d]
            first[n] += values[n, m] * numeric[m, size]


@compiled
def multiply(inputs: Floats, weight: Floats, out: Floats) -> None:
    """``out += inputs @ weight``, every row by itself, input after input."""
    for n in range(len(inputs)):
        for i in range(0, len(weight) - 3, 4):
            a, b, c, d = inputs[n, i], inputs[n, i + 1], inputs[n, i + 2], inputs[n, i + 3]
            for j in range(weight.shape[1]):
                one, two = a * weight[i, j] + b * weight[i + 1, j], c * weight[i + 2, j] + d * weight[i + 3, j]
                out[n, j] += one + two
        for i in range(len(weight) // 4 * 4, len(weight)):
            a = inputs[n, i]
            for j in range(weight.shape[1]):
                out[n, j] += a * weight[i, j]


@compiled
def combine(
    request: Ints,
    requests: Half,
    past: Past,
    item: Ints,
    items: Half,
    net: Weights,
    logit: Floats,
    hidden: Floats,
) -> None:
    """Logits (n,) and last hidden layers (n, H) of pairs of a request and an item."""
    size, widest = past.vectors.shape[2], 1
    for width in net.sizes:
        widest = max(widest, width)
    layer, spare = np.empty((widest, LANES), np.float32), np.empty((widest, LANES), np.float32)
    interest, total = np.empty((size, LANES), np.float32), np.empty(LANES, np.float32)
    lane_r, lane_i = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    start, used = 0, 0
    while start + used < len(request):
        start += used
        used, alone = _block(request, start)
        for n in range(LANES):  # lanes without a pair repeat the last one
            lane_r[n], lane_i[n] = request[start + min(n, used - 1)], item[start + min(n, used - 1)]
            total[n] = requests.first[lane_r[n]] + items.first[lane_i[n]] + net.bias
        if net.pairwise:
            _inner_products(requests.vectors, lane_r, items.vectors, lane_i, interest, total)
            if len(net.sizes) == 0:
                hidden[start : start + used] = interest.T[:used]
        if len(net.sizes) > 0:
            _gather(requests.early, lane_r, alone, layer)
            _gather(items.early, lane_i, False, spare)
            for j in range(net.sizes[0]):
                layer[j] += spare[j]
            if len(net.attention) > 0:
                _attend(past, lane_r, alone, items, lane_i, net, interest)
                _accumulate(interest, net.interest, layer)
            layer, spare = _deepen(net, layer, spare)
            for j in range(net.sizes[-1]):
                total += layer[j] * net.hidden_out[j]
            hidden[start : start + used] = layer.T[:used, : net.sizes[-1]]
        if len(net.cross) > 0:
            _cross(requests.vectors, lane_r, alone, items.vectors, lane_i, net, total)
        logit[start : start + used] = total[:used]


@compiled
def _block(request: Ints, start: int) -> tuple[int, bool]:
    """How many pairs from `start` on go side by side, and whether they are all of one request.

    A run of pairs of one request that fills half of the lanes goes alone: what the request brings is read once then.
    """
    used = 1
    while used < LANES and start + used < len(request) and request[start + used] == request[start]:
        used += 1
    if 2 * used >= LANES:
        return used, True
    return min(LANES, len(request) - start), False


@compiled
def _gather(rows: Floats, lane: Ints, alone: bool, out: Floats) -> None:
    """A row for each lane: ``out[j, n] = rows[lane[n], j]``."""
    if alone:
        for j in range(rows.shape[1]):
            out[j] = rows[lane[0], j]
    else:
        for n in range(LANES):
            for j in range(rows.shape[1]):
                out[j, n] = rows[lane[n], j]


@compiled
def _accumulate(inputs: Floats, weight: Floats, out: Floats) -> None:
    """``out += weight' inputs`` per lane: (I, LANES), (I, O) to (O, LANES)."""
    for o in range(weight.shape[1]):
        for i in range(0, len(weight) - 3, 4):
            a, b, c, d = weight[i, o], weight[i + 1, o], weight[i + 2, o], weight[i + 3, o]
            for n in range(LANES):
                one = a * inputs[i, n] + b * inputs[i + 1, n]
                out[o, n] += one + (c * inputs[i + 2, n] + d * inputs[i + 3, n])
        for i in range(len(weight) // 4 * 4, len(weight)):
            for n in range(LANES):
                out[o, n] += weight[i, o] * inputs[i, n]


@compiled
def _attend(past: Past, lane_r: Ints, alone: bool, items: Half, lane_i: Ints, net: Weights, interest: Floats) -> None:
    """The recent items, weighted by how much they matter for the lane's item: (D, LANES)."""
    size, units = len(interest), len(net.attention)
    vector, recent = np.empty((size, LANES), np.float32), np.empty((size, LANES), np.float32)
    query, unit = np.empty((units, LANES), np.float32), np.empty((units, LANES), np.float32)
    weight = np.empty(LANES, np.float32)
    _gather(items.vectors[:, :size], lane_i, False, vector)
    _gather(items.query, lane_i, False, query)
    interest[:] = 0
    for w in range(past.known.shape[1]):
        present = 0
        for n in range(LANES):
            weight[n] = np.float32(past.known[lane_r[n], w])
            present += past.known[lane_r[n], w]
        if present == 0:
            continue
        _gather(past.vectors[:, w], lane_r, alone, recent)
        _gather(past.early[:, w], lane_r, alone, unit)
        for u in range(units):
            unit[u] += query[u]
        _accumulate(recent * vector, net.pair, unit)
        weight *= _weigh(unit, net)
        for d in range(size):
            interest[d] += weight * recent[d]


@compiled
def _weigh(unit: Floats, net: Weights) -> Floats:
    """(LANES,) bias plus the weighted sum of the sigmoids of `unit` (A, LANES)."""
    out = np.full(LANES, net.attention_bias, np.float32)
    power, whole = np.empty(LANES, np.float32), np.empty(LANES, np.int32)
    scale = whole.view(np.float32)
    for u in range(len(unit)):
        for n in range(LANES):  # exp(-unit): Cody & Waite's reduction to |f| < ln 2 / 2, then a series
            y = min(max(-unit[u, n], -LARGEST), LARGEST)
            k = np.floor(y * LOG2_E + np.float32(0.5))
            f = y - k * LN2_HIGH - k * LN2_LOW
            high = np.float32(1 / 720) + f * np.float32(1 / 5040)
            high = np.float32(1 / 24) + f * (np.float32(1 / 120) + f * high)
            high = np.float32(1 / 2) + f * (np.float32(1 / 6) + f * high)
            power[n] = np.float32(1) + f * (np.float32(1) + f * high)
            whole[n] = (np.int32(k) + np.int32(127)) << np.int32(23)
        for n in range(LANES):
            out[n] += net.attention[u] / (np.float32(1) + power[n] * scale[n])
    return out


@compiled
def _deepen(net: Weights, layer: Floats, spare: Floats) -> tuple[Floats, Floats]:
    """Activate the first layer, go through those after it; the last one, and the array that is free."""
    at = 0
    for number in range(len(net.sizes)):
        inputs = net.sizes[number]
        for j in range(inputs):
            for n in range(LANES):
                layer[j, n] = max(layer[j, n], np.float32(0))
        if number + 1 < len(net.sizes):
            outputs = net.sizes[number + 1]
            end = at + inputs * outputs
            for o in range(outputs):
                spare[o] = net.later[end + o]
            _accumulate(layer, net.later[at:end].reshape(inputs, outputs), spare)
            layer, spare, at = spare, layer, end + outputs
    return layer, spare


@compiled
def _inner_products(own: Floats, lane_r: Ints, theirs: Floats, lane_i: Ints, both: Floats, total: Floats) -> None:
    """Add ``(|sum v|^2 - sum |v|^2) / 2`` over all field vectors to `total`; `both` (D, LANES) gets ``sum v``."""
    size = len(both)
    for n in range(LANES):
        pairs = np.float32(0)
        for d in range(size):
            added, squares = np.float32(0), np.float32(0)
            for at in range(d, own.shape[1], size):
                added += own[lane_r[n], at]
                squares += own[lane_r[n], at] * own[lane_r[n], at]
            for at in range(d, theirs.shape[1], size):
                added += theirs[lane_i[n], at]
                squares += theirs[lane_i[n], at] * theirs[lane_i[n], at]
            both[d, n] = added
            pairs += added * added - squares
        total[n] += pairs / np.float32(2)


@compiled
def _cross(own: Floats, lane_r: Ints, alone: bool, theirs: Floats, lane_i: Ints, net: Weights, total: Floats) -> None:
    """Add the output of the cross layers to `total`: ``x <- x0 * (W x + b) + x``, from all field vectors."""
    width = own.shape[1] + theirs.shape[1]
    x0, crossed = np.empty((width, LANES), np.float32), np.empty((width, LANES), np.float32)
    _gather(own, lane_r, alone, x0[: own.shape[1]])
    _gather(theirs, lane_i, False, x0[own.shape[1] :])
    x = x0.copy()
    for number in range(len(net.cross)):
        for j in range(width):
            crossed[j] = net.cross_bias[number, j]
        _accumulate(x, net.cross[number], crossed)
        for j in range(width):
            x[j] += x0[j] * crossed[j]
    for j in range(width):
        total += x[j] * net.cross_out[j]
