"""The table that benchmarks write as files is one that a model reads, and that workers learn on."""

from pathlib import Path

import numpy as np

from benchmarks.generation_work import at
from benchmarks.shard_table import RESERVED, key_of, make_table, window_of
from components.ranker.row_sums import row_sums
from components.ranker.table import initial_rows
from components.update.checkpoint import load_checkpoint
from components.update.settings import UpdateSettings
from components.update.shard.files import PARENT, Asked, ask, put_together
from components.update.warm_start import warm_start
from tests.update.shard import workers
from tests.update.test_warm_start import assert_same

ROWS = 3_000


def test_every_id_has_the_row_and_the_numbers_that_a_model_would_give_it(tmp_path: Path) -> None:
    make_table(tmp_path, ROWS)
    model, rows = load_checkpoint(tmp_path).model, RESERVED + np.arange(ROWS)
    keys = key_of(np.arange(ROWS), ROWS)
    assert (model.vocabulary.find(keys[:, None], np.zeros(1, np.int64))[:, 0] == rows).all()
    fresh = initial_rows(keys, model.settings.embedding_size, model.settings.init_scale, model.seed)
    assert (model.table.layers.take(rows) == fresh).all()
    assert model.base is not None
    assert (model.base.sums == row_sums(model.table.layers, model.settings.embedding_size + 1)).all()


def test_two_workers_learn_on_it_what_one_process_learns(tmp_path: Path) -> None:
    make_table(tmp_path / PARENT, ROWS)
    parent, fresh, settings = (
        load_checkpoint(tmp_path / PARENT),
        window_of(ROWS, 4_000),
        UpdateSettings(batch_size=3_000),
    )
    ask(tmp_path, Asked(cutoff=at(1), seed=1, workers=2, settings=settings), None, fresh, None)
    workers.run(tmp_path)
    here = warm_start(parent, fresh, None, at(1), settings, 1)
    assert here.grown > 0
    assert_same(here.checkpoint, put_together(tmp_path, parent, 2).checkpoint)
