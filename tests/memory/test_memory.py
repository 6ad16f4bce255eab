"""The memory as a whole: identity, persistence, what it learns and what it costs."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from components.domain import DAY, ContractBroken, Examples, Matured, Prediction
from components.memory.gain import learn_all, learn_and_score
from components.memory.memory import ErrorMemory, MemorySettings
from components.memory.settings import ViewName
from components.memory.trust import Trust
from components.memory.view import State, View
from components.ranker import strides
from components.serving.appraisal import appraised
from components.sigmoid import sigmoid
from tests.memory.world import HIDDEN, SPEC, World, examples, world

ALL: tuple[ViewName, ...] = ("outcome", "residual", "counters", "sketch", "neighbours")
SETTINGS = MemorySettings(views=ALL)


def auc(reward: np.ndarray, score: np.ndarray) -> float:
    from scipy.stats import rankdata

    positive = reward > 0.5
    n, m = positive.sum(), (~positive).sum()
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))


def loss(reward: np.ndarray, logit: np.ndarray) -> float:
    p = np.clip(sigmoid(logit), 1e-9, 1 - 1e-9)
    return float(-np.mean(reward * np.log(p) + (1 - reward) * np.log(1 - p)))


def replayed(memory: ErrorMemory, w: World, slot: int = 100) -> np.ndarray:
    """Compensated logits, each slot before it is written."""
    out = np.zeros(len(w.reward))
    for start in range(0, len(w.reward), slot):
        rows = w.rows(start, start + slot)
        out[start : start + slot] = memory.compensate(*rows[:2])
        memory.learn(*rows)
    return out


@pytest.fixture(scope="module")
def w() -> World:
    return world(3_000)


@pytest.fixture(scope="module")
def learned(w: World) -> ErrorMemory:
    memory = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS, seed=1)
    memory.learn(*w.rows(0, 2_000))
    return memory


@pytest.mark.parametrize("prime", [False, True])
def test_a_memory_that_was_told_no_outcome_is_the_base_model_bit_for_bit(w: World, prime: bool) -> None:
    memory = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS)
    if prime:
        memory.prime(Matured(w.examples.take(np.s_[:500]), w.reward[:500]))
    assert memory.compensate(w.examples, w.prediction).tobytes() == w.prediction.logit.tobytes()
    assert len(memory) == 0


def test_reading_leaves_the_digest(w: World, learned: ErrorMemory) -> None:
    before = learned.digest()
    learned.compensate(w.examples, w.prediction)
    learned.trust_report()
    assert learned.digest() == before


def test_the_same_writes_give_the_same_bytes_and_another_outcome_other_bytes(w: World) -> None:
    def told(reward: np.ndarray) -> str:
        memory = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS, seed=1)
        memory.learn(*w.rows(0, 700)[:2], reward)
        return memory.digest()

    other = w.reward[:700].copy()
    other[350] = 1 - other[350]
    assert told(w.reward[:700]) == told(w.reward[:700])
    assert told(w.reward[:700]) != told(other)


def test_saved_and_loaded_it_continues_bit_for_bit(w: World, learned: ErrorMemory, tmp_path: Path) -> None:
    memory = learned.copy()
    memory.save(tmp_path / "memory")
    loaded = ErrorMemory.load(tmp_path / "memory", SPEC, SETTINGS)
    assert loaded.digest() == memory.digest()
    for m in (memory, loaded):
        m.learn(*w.rows(2_000, 2_500))
    assert loaded.digest() == memory.digest()
    assert (
        loaded.compensate(w.examples, w.prediction).tobytes() == memory.compensate(w.examples, w.prediction).tobytes()
    )


def test_what_priming_chose_is_loaded_with_it(tmp_path: Path) -> None:
    w = world(4_000)
    memory = ErrorMemory.empty(SPEC, HIDDEN, MemorySettings())
    memory.prime(Matured(w.examples, w.reward))
    assert memory.settings != MemorySettings()
    memory.save(tmp_path)
    assert ErrorMemory.load(tmp_path, SPEC, MemorySettings()).settings == memory.settings


def test_a_copy_is_independent(w: World, learned: ErrorMemory) -> None:
    before = learned.digest()
    learned.copy().learn(*w.rows(2_000, 2_500))
    assert learned.digest() == before


def test_a_copy_takes_little_room_until_it_learns_whatever_it_is_rebased_on(w: World) -> None:
    memory = ErrorMemory.empty(SPEC, HIDDEN, MemorySettings(), seed=1)
    memory.learn(*w.rows(0, 3_000))
    tracemalloc.start()
    try:
        twin = memory.copy()
        twin.rebase(lambda rows: w.prediction)
        held = tracemalloc.get_traced_memory()[0]
        twin.learn(*w.rows(0, 100))
        learned = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < memory.nbytes / 2 < memory.nbytes < learned


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("memory.json", Path.unlink),
        ("memory.safetensors", Path.unlink),
        ("memory.safetensors", cut),
        ("memory.safetensors", flip),
        ("memory.json", cut),
    ],
)
def test_a_harmed_file_is_refused_with_one_line(learned: ErrorMemory, tmp_path: Path, name: str, harm: object) -> None:
    learned.save(tmp_path)
    assert callable(harm)
    harm(tmp_path / name)
    with pytest.raises(ContractBroken) as refused:
        ErrorMemory.load(tmp_path, SPEC, SETTINGS)
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_memory_saved_with_other_views_is_refused(learned: ErrorMemory, tmp_path: Path) -> None:
    few = ErrorMemory.empty(SPEC, HIDDEN, MemorySettings(views=("outcome",)))
    few.save(tmp_path)
    with pytest.raises(ContractBroken, match="memory at"):
        ErrorMemory.load(tmp_path, SPEC, SETTINGS)


def test_it_learns_what_the_model_does_not_know(w: World) -> None:
    memory = ErrorMemory.empty(SPEC, HIDDEN, MemorySettings())
    logit = replayed(memory, w)
    late = np.s_[1_000:]
    assert auc(w.reward[late], logit[late]) > auc(w.reward[late], w.prediction.logit[late]) + 0.1
    assert loss(w.reward[late], logit[late]) < loss(w.reward[late], w.prediction.logit[late]) - 0.05


def test_a_model_that_knows_everything_is_left_nearly_alone() -> None:
    w = world(4_000)
    perfect = World(w.examples, w.reward, Prediction(w.truth.astype(np.float32), w.prediction.hidden), w.truth)
    logit = replayed(ErrorMemory.empty(SPEC, HIDDEN, SETTINGS), perfect)
    assert auc(w.reward, logit) > auc(w.reward, w.truth) - 0.006


class Noise:
    """A view that says something else every time, about nothing."""

    signals = ("noise",)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)

    def read(self, examples: Examples, prediction: Prediction) -> np.ndarray:
        return self.rng.normal(size=(len(examples), 1))

    def learn(self, examples: Examples, prediction: Prediction, reward: np.ndarray) -> np.ndarray:
        return self.read(examples, prediction)

    def rebase(self, predict: object) -> None:
        pass

    def state(self) -> State:
        return {}

    def load(self, state: State) -> None:
        pass

    def copy(self) -> View:
        return self


def test_a_view_of_pure_noise_costs_less_than_a_twentieth_of_an_auc_point() -> None:
    w = world(20_000, users=400, items=200)
    costs = []
    for noisy in (False, True):
        memory = ErrorMemory.empty(SPEC, HIDDEN, MemorySettings(views=("outcome",)))
        if noisy:
            memory._views["noise"] = Noise()
            memory._trust = Trust(2, SETTINGS.trust_precision, SETTINGS.trust_discount)
        costs.append(auc(w.reward, replayed(memory, w, slot=200)))
    assert costs[0] - costs[1] < 0.0005
    assert costs[0] > auc(w.reward, w.prediction.logit) + 0.1


def test_cold_ids_are_served_and_stay_near_the_model(w: World, learned: ErrorMemory) -> None:
    cold = examples(np.arange(50_000, 50_200), np.arange(70_000, 70_200), np.full(200, 1_020 * DAY))
    said = Prediction(np.zeros(200, np.float32), np.zeros((200, HIDDEN), np.float32))
    change = learned.compensate(cold, said)
    warm = learned.compensate(w.examples, w.prediction) - w.prediction.logit
    assert np.isfinite(change).all()
    assert np.abs(change).mean() < 0.5 * np.abs(warm).mean()


def test_a_burst_of_one_user_moves_that_user_and_hardly_anybody_else(w: World, learned: ErrorMemory) -> None:
    memory = learned.copy()
    before = memory.compensate(w.examples, w.prediction)
    items = np.arange(64) % 40
    burst = examples(np.full(64, 7), items, np.full(64, 1_020 * DAY))
    said = Prediction(np.zeros(64, np.float32), np.ones((64, HIDDEN), np.float32))
    memory.learn(burst, said, np.zeros(64, np.float32))
    moved = memory.compensate(w.examples, w.prediction) - before
    mine = w.examples.keys[:, 0] == burst.keys[0, 0]
    assert moved[mine].mean() < -0.3
    assert abs(moved[~mine].mean()) < 0.4 * abs(moved[mine].mean())


def test_when_popularity_swings_the_memory_follows_and_the_frozen_model_does_not() -> None:
    w = world(6_000, items=10, seed=2)
    rng = np.random.default_rng(9)
    late = np.arange(6_000) >= 3_000
    swing = rng.normal(0, 1.5, 10)
    item = np.unique(w.examples.keys[:, 1], return_inverse=True)[1]
    truth = w.prediction.logit + np.where(late, -swing[item], swing[item])
    reward = (rng.random(6_000) < sigmoid(truth)).astype(np.float32)
    swung = World(w.examples, reward, w.prediction, truth)
    settings = MemorySettings(half_life=2.0, choose=False)
    logit = replayed(ErrorMemory.empty(SPEC, HIDDEN, settings), swung)
    settled = np.s_[4_500:]
    assert auc(reward[settled], logit[settled]) > auc(reward[settled], w.prediction.logit[settled]) + 0.1
    assert auc(reward[settled], logit[settled]) > auc(reward[settled], truth[settled]) - 0.05


def test_late_outcomes_out_of_order_are_learned() -> None:
    w = world(1_000)
    shuffled = np.random.default_rng(0).permutation(1_000)
    memory = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS)
    part = Prediction(w.prediction.logit[shuffled], w.prediction.hidden[shuffled])
    memory.learn(w.examples.take(shuffled), part, w.reward[shuffled])
    logit = memory.compensate(w.examples, w.prediction)
    assert loss(w.reward, logit) < loss(w.reward, w.prediction.logit) - 0.05


def test_a_warm_start_re_encodes_neighbours_and_keeps_recorded_predictions(w: World, learned: ErrorMemory) -> None:
    memory = learned.copy()
    before = dict(memory._views["neighbours"].state())

    def predict(e: Examples) -> Prediction:
        turned = np.roll(np.eye(HIDDEN, dtype=np.float32), 1, 0)[np.arange(len(e)) % HIDDEN]
        return Prediction(np.full(len(e), 9, np.float32), turned)

    memory.rebase(predict)
    after = memory._views["neighbours"].state()
    assert np.array_equal(after["logit"], before["logit"])
    assert not np.array_equal(after["hidden"], before["hidden"])
    assert not memory._views["sketch"].state()["sums"].any()


def test_trust_is_reported_by_signal_and_starts_at_the_identity() -> None:
    report = ErrorMemory.empty(SPEC, HIDDEN, SETTINGS).trust_report()
    weights = {t.signal: t.weight for t in report.weights}
    assert weights.pop("base logit") == 1
    assert set(weights.values()) == {0}
    assert {"outcome", "residual", "user", "sketch", "neighbours"} <= set(weights)


@pytest.mark.parametrize("at_once", [1, 100, 4_096], ids=["a step", "steps", "all"])
def test_rows_that_are_predicted_a_stretch_at_a_time_leave_the_memory_of_one_call(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, settings = world(900), MemorySettings(views=ALL, batch=64)
    whole, parts, scored = (ErrorMemory.empty(SPEC, HIDDEN, settings) for _ in range(3))
    rows = np.flatnonzero(np.arange(900) % 3)
    asked, said, reward = w.rows(0, 900)
    whole.learn(asked.take(rows), Prediction(said.logit[rows], said.hidden[rows]), reward[rows])

    def predict(examples: Examples) -> Prediction:
        sizes.append(len(examples))
        at = np.searchsorted(instants, examples.at)
        return Prediction(said.logit[at], said.hidden[at])

    sizes: list[int] = []
    instants = asked.at
    assert len(np.unique(instants)) == 900, "an instant tells which row it is"
    monkeypatch.setattr(strides, "AT_ONCE", at_once)
    learn_all(parts, Matured(asked, reward), predict, rows)
    assert parts.digest() == whole.digest()
    assert max(sizes) <= max(at_once, 64)
    gain = learn_and_score(scored, Matured(asked, reward), predict, rows)
    assert scored.digest() == whole.digest() and gain is not None and gain.rows == len(rows)
    plain = whole.compensate(asked, said)
    assert appraised(predict, whole, asked).score.tobytes() == plain.tobytes()
