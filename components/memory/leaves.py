"""Neighbours in a tree: the outcomes of the leaf a query falls into stand in for its nearest ones.

A principal-direction tree (Verma, Kpotufe & Dasgupta 2009, UAI): every node halves its outcomes at the median of
their projection on the direction of largest variance, so that all leaves hold about k outcomes, however unevenly
hidden states are spread, and adapts to their intrinsic dimension. A leaf is a ring of its newest 2 k outcomes;
nothing is ever removed: an outcome is overwritten in its leaf, or too old for the log, or past the ttl. The tree
is grown anew when the log has doubled, then each time all it holds has been replaced, and swapped. What a
leaf holds follows from the tree and the log, which are what is saved.

Bias against exact search: neighbours across a boundary are not seen; benchmarks/memory_speed.py reports the
recall. FAISS's inverted files took 23 us per query with one list asked and k = 50, a leaf takes 3 to 4.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from components.domain import DAY, Doubles, Floats, Ints
from components.memory.compiled import compiled
from components.memory.neighbour_statistics import Recalled
from components.memory.outcome_log import Kept
from components.memory.settings import MemorySettings
from components.memory.view import State
from components.ranker.online_logistic import sigmoid

Codes: TypeAlias = npt.NDArray[np.int8]
STEPS = 127
"""Steps of a code per unit: a leaf of 100 vectors of 32 numbers is 3 kB."""
SAMPLE = 32
"""Outcomes per leaf from which the tree is grown."""
ROUNDS = 8
"""Power iterations towards a direction of largest variance; a good one is enough."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A full binary tree in breadth-first order: N = 2^depth - 1 inner nodes, 2^depth leaves.

    `direction` (N, H) float32 and `threshold` (N,): a vector goes right where its projection is larger.
    """

    direction: Floats
    threshold: Floats

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return len(self.threshold) + 1

    @classmethod
    def grown(cls, hidden: Floats, size: int) -> "Tree":
        """A tree for (m, H) vectors with leaves of `size` to twice as many; on an even sample of them."""
        depth = max(int(np.log2(max(len(hidden), 1) / size)), 0)
        each = min(SAMPLE, len(hidden) >> depth)
        nodes = hidden[np.linspace(0, len(hidden) - 1, each << depth).astype(np.int64)][None]
        direction, threshold = [np.zeros((0, hidden.shape[1]), np.float32)], [np.zeros(0, np.float32)]
        for _ in range(depth):
            direction.append(_widest(nodes))
            projected = np.matmul(nodes, direction[-1][:, :, None])[:, :, 0]
            order = np.argsort(projected, axis=1, kind="stable")
            half = nodes.shape[1] // 2
            middle = np.take_along_axis(projected, order[:, half - 1 : half + 1], 1)
            threshold.append(middle.mean(1))
            nodes = np.take_along_axis(nodes, order[:, :, None], 1).reshape(-1, half, nodes.shape[2])
        return cls(np.concatenate(direction), np.concatenate(threshold).astype(np.float32))

    def leaf(self, hidden: Floats) -> Ints:
        """(n,) leaf of each of (n, H) vectors."""
        leaves = np.empty(len(hidden), np.int64)
        _descend(hidden, self.direction, self.threshold, leaves)
        return leaves


def _widest(nodes: Floats) -> Floats:
    """(a, H) direction of largest variance of each of a nodes' (a, s, H) vectors."""
    centred = nodes - nodes.mean(1, keepdims=True)
    spread = np.matmul(centred.transpose(0, 2, 1), centred)
    direction = np.take_along_axis(spread, spread.diagonal(0, 1, 2).argmax(1)[:, None, None], 1)[:, 0]
    for _ in range(ROUNDS):
        direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
        direction = np.matmul(spread, direction[:, :, None])[:, :, 0]
    return direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True, slots=True)
class Leaves:
    """A tree and what its L leaves hold, in rings of S; the tree was grown after `grown` outcomes.

    `codes` (L, H, S) vectors in steps of 1 / 127, `outcome` (L, S, 2) reward and prediction, `at` and `number`
    (L, S) instant and place among all that was ever written; `told` (L,) counts what came: the next goes to slot
    ``told % S``.
    """

    tree: Tree
    grown: int
    codes: Codes
    outcome: Floats
    at: Ints
    number: Ints
    told: Ints

    @classmethod
    def empty(cls, tree: Tree, grown: int, size: int) -> "Leaves":
        """Rings of `size` that were told nothing."""
        shape = (tree.leaves, size)
        codes, outcome = (
            np.zeros((tree.leaves, tree.direction.shape[1], size), np.int8),
            np.zeros((*shape, 2), np.float32),
        )
        at, number, told = np.zeros(shape, np.int64), np.full(shape, -1, np.int64), np.zeros(tree.leaves, np.int64)
        return cls(tree, grown, codes, outcome, at, number, told)

    def tell(self, kept: Kept, new: int) -> None:
        """Take in the newest `new` of the log."""
        rows = slice(len(kept) - new, None)
        hidden, first = kept.hidden[rows], kept.first + len(kept) - new
        outcome = np.column_stack([kept.reward[rows], sigmoid(kept.logit[rows]).astype(np.float32)])
        where = (self.codes, self.outcome, self.at, self.number, self.told)
        _tell(coded(hidden), self.tree.leaf(hidden), outcome, kept.examples.at[rows], first, *where)

    def ask(self, hidden: Floats, oldest: Ints, first: int, temperature: float) -> Recalled:
        """Softmax-weighted sums over each query's leaf, of outcomes not before `oldest` (n,) and number `first`."""
        sums, leaves = np.zeros((4, len(hidden))), self.tree.leaf(hidden)
        close = np.empty((len(hidden), self.number.shape[1]), np.float32)
        _similar(hidden, leaves, oldest, first, self.codes, self.at, self.number, close)
        close *= np.float32(1 / (STEPS * temperature))
        close -= np.float32(1 / temperature)
        np.exp(close, out=close)
        _weigh(leaves, close, self.outcome, self.told, sums)
        return Recalled(*sums)


def coded(hidden: Floats) -> Codes:
    """(n, H) unit vectors in steps of 1 / 127: inner products are off by .002, a fiftieth of the temperature."""
    return np.rint(hidden * np.float32(STEPS)).astype(np.int8)


class LeafIndex:
    """Outcomes by leaf."""

    def __init__(self, hidden_size: int, settings: MemorySettings) -> None:
        self._settings = settings
        self._leaves = self._planted(Tree.grown(np.zeros((0, hidden_size), np.float32), settings.neighbours), 0)

    def recall(self, hidden: Floats, at: Ints, kept: Kept) -> Recalled:
        """Softmax-weighted sums over the leaves of (n, H) unit vectors; what left the log or the ttl does not count."""
        oldest = at - np.int64(self._settings.neighbours_ttl * DAY)
        return self._leaves.ask(hidden, oldest, kept.first, self._settings.neighbours_temperature)

    def sees(self, hidden: Floats) -> Ints:
        """(n, S) numbers of the outcomes in each vector's leaf; -1 where a slot is free."""
        return self._leaves.number[self._leaves.tree.leaf(hidden)]

    def add(self, kept: Kept, new: int) -> None:
        """Take in the newest `new` of the log, and grow the tree anew when it is due."""
        fresh = kept.first + len(kept) - self._leaves.grown
        if fresh >= max(min(self._leaves.grown, len(kept)), 2 * self._settings.neighbours):
            self.encode_anew(kept)
        else:
            self._leaves.tell(kept, min(new, len(kept)))

    def encode_anew(self, kept: Kept) -> None:
        """Grow the tree in the hidden space as it is now."""
        self._swap(Tree.grown(kept.hidden, self._settings.neighbours), kept.first + len(kept), kept)

    def state(self) -> State:
        """The tree, and after how many outcomes it was grown."""
        tree = self._leaves.tree
        split = {"direction": tree.direction.copy(), "threshold": tree.threshold.copy()}
        return {**split, "grown": np.array([self._leaves.grown])}

    def load(self, state: State, kept: Kept) -> None:
        """Continue from `state`."""
        self._swap(Tree(np.array(state["direction"]), np.array(state["threshold"])), int(state["grown"][0]), kept)

    def _planted(self, tree: Tree, grown: int) -> Leaves:
        return Leaves.empty(tree, grown, 2 * self._settings.neighbours)

    def _swap(self, tree: Tree, grown: int, kept: Kept) -> None:
        leaves = self._planted(tree, grown)
        leaves.tell(kept, len(kept))
        self._leaves = leaves


@compiled
def _descend(hidden: Floats, direction: Floats, threshold: Floats, leaves: Ints) -> None:
    """The leaf of each vector; four sums at a time, because one would wait for itself."""
    size = hidden.shape[1]
    for i in range(len(hidden)):
        node = 0
        while node < len(threshold):
            a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for h in range(0, size - 3, 4):
                a += hidden[i, h] * direction[node, h]
                b += hidden[i, h + 1] * direction[node, h + 1]
                c += hidden[i, h + 2] * direction[node, h + 2]
                d += hidden[i, h + 3] * direction[node, h + 3]
            for h in range(size - size % 4, size):
                a += hidden[i, h] * direction[node, h]
            node = 2 * node + (2 if (a + b) + (c + d) > threshold[node] else 1)
        leaves[i] = node - len(threshold)


@compiled
def _tell(
    codes: Codes,
    leaves: Ints,
    outcome: Floats,
    at: Ints,
    first: int,
    ring: Codes,
    ring_outcome: Floats,
    ring_at: Ints,
    ring_number: Ints,
    told: Ints,
) -> None:
    for i in range(len(codes)):
        leaf = leaves[i]
        slot = told[leaf] % ring.shape[2]
        told[leaf] += 1
        for h in range(codes.shape[1]):
            ring[leaf, h, slot] = codes[i, h]
        ring_outcome[leaf, slot, 0], ring_outcome[leaf, slot, 1] = outcome[i, 0], outcome[i, 1]
        ring_at[leaf, slot], ring_number[leaf, slot] = at[i], first + i


@compiled
def _similar(
    hidden: Floats,
    leaves: Ints,
    oldest: Ints,
    first: int,
    ring: Codes,
    ring_at: Ints,
    ring_number: Ints,
    similarity: Floats,
) -> None:
    """(n, S) inner products with the slots of each query's leaf; minus infinity where nothing that counts is kept."""
    for i in range(len(hidden)):
        leaf = leaves[i]
        similarity[i] = 0
        for h in range(hidden.shape[1]):
            for slot in range(similarity.shape[1]):
                similarity[i, slot] += hidden[i, h] * np.float32(ring[leaf, h, slot])
        for slot in range(similarity.shape[1]):
            if ring_number[leaf, slot] < first or ring_at[leaf, slot] < oldest[i]:
                similarity[i, slot] = -np.inf


@compiled
def _weigh(leaves: Ints, closeness: Floats, outcome: Floats, told: Ints, sums: Doubles) -> None:
    """Sums in the order in which a leaf was told, so that they do not depend on where its ring began."""
    size = closeness.shape[1]
    for i in range(len(leaves)):
        leaf = leaves[i]
        total, reward, predicted, variance = 0.0, 0.0, 0.0, 0.0
        slot = told[leaf] % size if told[leaf] > size else 0
        for _ in range(size):
            close, p = np.float64(closeness[i, slot]), np.float64(outcome[leaf, slot, 1])
            total += close
            reward += close * outcome[leaf, slot, 0]
            predicted += close * p
            variance += close * p * (1.0 - p)
            slot = slot + 1 if slot + 1 < size else 0
        scale = 1.0 / max(total, 1e-12)
        sums[0, i], sums[1, i] = total * scale, reward * scale
        sums[2, i], sums[3, i] = predicted * scale, variance * scale
