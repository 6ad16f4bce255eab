"""Pre-training: generation 1 from a stretch of matured examples."""

from dataclasses import dataclass, field, fields, replace

import numpy as np

from components.domain import DAY, ContractBroken, Floats, Ints, Keys, Matured, Refused
from components.feature_spec import FeatureSpec
from components.ranker.graded_labels import GradedLabels
from components.ranker.model import Model
from components.ranker.scaling import Scaling
from components.ranker.settings import RankerSettings
from components.ranker.vocabulary import Seen, Turnover
from components.update.checkpoint import Checkpoint
from components.update.learn import Batch, learn, log_loss, training_loss
from components.update.place import HERE, Place
from components.update.settings import UpdateSettings


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids that came or went: `field` (m,) whose ids they are, `keys` (m,), `last` (m,) microseconds last seen at."""

    field: np.ndarray
    keys: Keys
    last: Ints

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, spec: FeatureSpec, seen: Seen) -> "Ids":
        """Named by the fields of `spec`."""
        return cls(np.array(spec.vocabularies, dtype=object)[seen.shared], seen.keys, seen.last)

    def then(self, later: "Ids") -> "Ids":
        """Those of both."""
        return Ids(*(np.concatenate([getattr(self, f.name), getattr(later, f.name)]) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Update:
    """What an update made, and what it did.

    Attributes
    ----------
    checkpoint : the challenger; the unchanged parent if `diverged`.
    admitted, expired : ids that got or lost a row; grown : rows the table is longer by.
    rows : fresh examples learned from; replayed : examples of the past beside them.
    examples_processed : all of them, times passes.
    train_before, train_after, holdout_before, holdout_after : mean log loss in nats; nan without such rows.
    diverged : why the challenger must be discarded, if so.
    curve : (batches,) mean training loss per example, in nats, batch after batch over all passes.
    """

    checkpoint: Checkpoint
    admitted: Ids
    expired: Ids
    grown: int
    rows: int
    replayed: int
    examples_processed: int
    train_before: float
    train_after: float
    holdout_before: float
    holdout_after: float
    diverged: Refused | None
    curve: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def then(self, later: "Update") -> "Update":
        """What both updates did, `later` on top of this one; the losses stay those of the first."""
        return replace(
            self,
            checkpoint=later.checkpoint,
            admitted=self.admitted.then(later.admitted),
            expired=self.expired.then(later.expired),
            grown=self.grown + later.grown,
            rows=self.rows + later.rows,
            replayed=self.replayed + later.replayed,
            examples_processed=self.examples_processed + later.examples_processed,
            diverged=later.diverged,
            curve=np.concatenate([self.curve, later.curve]),
        )


def pretrain(spec: FeatureSpec, data: Matured, ranker: RankerSettings, update: UpdateSettings, seed: int) -> Update:
    """Train a fresh model until the last stretch of `data` in time stops getting better, then learn that stretch.

    Parameters
    ----------
    data : n matured examples, in any order; the last `holdout_share` of them by time stops the training.

    Raises
    ------
    ContractBroken
        If there is nothing to learn from.
    """
    begun = begin(spec, data, ranker, update, seed)
    return begun.told(first_passes(begun.checkpoint, begun.data, update, seed))


@dataclass(frozen=True, slots=True)
class Begun:
    """A model that has met its ids and learned nothing of them, and what it is to learn, in order of time."""

    checkpoint: Checkpoint
    data: Matured
    turnover: Turnover
    grown: int

    def told(self, made: Update) -> Update:
        """What the passes made, with the ids that came before them."""
        spec, turnover = self.checkpoint.model.spec, self.turnover
        came, went = Ids.of(spec, turnover.admitted), Ids.of(spec, turnover.expired)
        return replace(made, admitted=came, expired=went, grown=self.grown)


def begin(spec: FeatureSpec, data: Matured, ranker: RankerSettings, update: UpdateSettings, seed: int) -> Begun:
    """What `pretrain` does before its first pass; raises ContractBroken as it does."""
    if not len(data):
        raise ContractBroken(
            "pre-training got 0 examples; allowed is at least 1; look at the source's pretrain stretch"
        )
    at = data.examples.at
    if (at[1:] < at[:-1]).any():  # a copy: a log whose outcomes all take as long has them in order
        data = data.take(np.argsort(at, kind="stable"))
    checkpoint = Checkpoint.fresh(Model.fresh(spec, ranker, seed))
    model = checkpoint.model
    model.scaling, model.graded_labels = Scaling.fit(data.examples.numeric), GradedLabels.fit(data)
    model.observe(data.examples)
    rows = model.vocabulary.rows
    turnover = model.turn_over(update.admission_count, -(2**62), 0)
    return Begun(checkpoint, data, turnover, model.vocabulary.rows - rows)


def first_passes(
    checkpoint: Checkpoint, data: Matured, update: UpdateSettings, seed: int, place: Place = HERE
) -> Update:
    """What `pretrain` does once ids have their rows; of ids the update tells nothing. Changes `checkpoint`.

    Parameters
    ----------
    data : in order of time.
    place : where the table's rows live; every worker of a shard is called with the same arguments.
    """
    cut = len(data) - int(len(data) * update.holdout_share)
    train, last = data.take(np.s_[:cut]), data.take(np.s_[cut:])

    def losses(model: Model) -> tuple[float, float]:
        return mean_or_nan(log_loss(model, train, place=place)), mean_or_nan(log_loss(model, last, place=place))

    before = losses(checkpoint.model)
    checkpoint, curves = _until_converged(checkpoint, train, last, update, seed, place)
    calibrate(checkpoint.model, last, place)
    after = losses(checkpoint.model)
    block = Batch.shared_out(checkpoint.model, last, place)
    curves.append(learn(checkpoint, block, np.random.default_rng([seed, 1]), update, place))
    nobody = Ids.of(checkpoint.model.spec, Seen.blank(0))
    return Update(
        checkpoint,
        nobody,
        nobody,
        0,
        len(data),
        0,
        (len(curves) - 1) * len(train) + len(last),
        before[0],
        after[0],
        before[1],
        after[1],
        None,
        np.concatenate(curves),
    )


def _until_converged(
    checkpoint: Checkpoint, train: Matured, last: Matured, update: UpdateSettings, seed: int, place: Place
) -> "tuple[Checkpoint, list[Floats]]":
    """The checkpoint with the best held-out log loss, and the curve of every pass made.

    With `renew_table` every pass but the first starts from a fresh table and keeps the
    dense part: ids are memorised in one pass and spoiled by a second, while the network
    needs several (Fan et al. 2023, arXiv 2305.19531, multi-epoch learning).
    """
    block = Batch.shared_out(checkpoint.model, train, place)
    rng = np.random.default_rng([seed, 0])
    fresh = checkpoint.model.table.copy()
    best, best_loss, since, curves = checkpoint.copy(), np.inf, 0, list[Floats]()
    while len(curves) < update.max_epochs and since < update.patience:
        if update.renew_table and curves:
            checkpoint.model.table = fresh.copy()
        curves.append(learn(checkpoint, block, rng, update, place))
        loss = mean_or_nan(training_loss(checkpoint.model, last, place))
        since += 1
        if not len(last) or loss < best_loss:
            best, best_loss, since = checkpoint.copy(), loss, 0
    return best, curves


def calibrate(model: Model, unseen: Matured, place: Place = HERE) -> None:
    """Learn the calibration from outcomes the network has not learned from; a plain target needs none."""
    if len(unseen) and not model.graded_labels.is_plain:
        said = place.logits(model, unseen.examples, raw=True)
        model.calibration.learn(said.astype(np.float64), unseen.reward)


def mean_or_nan(values: np.ndarray) -> float:
    """Mean, or nan of nothing."""
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")


def ttl_start(cutoff: int, update: UpdateSettings) -> int:
    """Microseconds before which an id counts as gone."""
    return cutoff - int(update.ttl_days * DAY)
