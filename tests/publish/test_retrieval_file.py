"""The index of a large catalogue travels with the bundle, and one that does not fit is refused."""

import numpy as np
import pytest

from components.domain import ContractBroken
from components.publish.retrieval_file import FOLDER, read_retrieval, write_retrieval
from components.serving.landmarks import Found, Landmarks

FOUND = Found(items=300, sample=64, judges=3, candidates=100, recall=1, kept=0.95)


@pytest.fixture
def landmarks():
    rng = np.random.default_rng(0)
    return Landmarks.fit(rng.normal(size=(64, 5)) @ rng.normal(size=(5, 300)), rng)


def test_what_is_read_finds_what_was_written(tmp_path, landmarks):
    write_retrieval(tmp_path, landmarks, FOUND)
    read = read_retrieval(tmp_path, 300)
    scores = np.random.default_rng(1).normal(size=(4, len(landmarks.rows)))
    np.testing.assert_array_equal(read.nearest(scores, 20), landmarks.nearest(scores, 20))
    assert Found.model_validate_json((tmp_path / FOLDER / "found.json").read_bytes()) == FOUND
    assert read_retrieval(tmp_path / "elsewhere", 300) is None


def test_an_index_of_other_items_or_of_none_is_refused(tmp_path, landmarks):
    write_retrieval(tmp_path, landmarks, FOUND)
    with pytest.raises(ContractBroken, match="the bundle has 299 servable ones"):
        read_retrieval(tmp_path, 299)
    (tmp_path / FOLDER / "index.faiss").write_bytes(b"no index")
    with pytest.raises(ContractBroken, match="no readable index in"):
        read_retrieval(tmp_path, 300)
