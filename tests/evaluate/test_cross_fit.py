import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from components.evaluate.cross_fit import GroupMeans, cross_fitted, folds
from components.evaluate.holdout import held_out
from tests.evaluate.tiny import many, replaced


class Memoriser:
    """Answers what it was told of a row, and -1 for rows it never saw."""

    def fit(self, x, y):
        self.known = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))

    def predict(self, x):
        return np.array([self.known.get(v, -1.0) for v in x[:, 0].tolist()])


def test_no_row_is_judged_by_a_model_that_saw_its_reward():
    log, _, _ = many(200, seed=1)
    q = cross_fitted(log, np.arange(log.entries)[:, None], Memoriser, count=3)
    assert (q == -1).all()


@pytest.mark.parametrize("make", [lambda: Ridge(), lambda: LogisticRegression(), lambda: GroupMeans()])
def test_any_regressor_predicts_every_entry(make):
    log, _, _ = many(400, seed=2)
    q = cross_fitted(log, np.tile(np.arange(4.0), 400)[:, None], make)
    assert q.shape == (log.entries,)
    assert ((q > 0.3) & (q < 0.7)).all()


def test_a_classifier_answers_with_its_chance_of_reward_and_not_with_a_class():
    log, _, _ = many(400, seed=3)
    q = cross_fitted(log, np.zeros((log.entries, 1)), LogisticRegression)
    assert q.mean() == pytest.approx(log.reward.mean(), abs=0.05)


def test_rows_of_one_request_share_a_fold():
    request = np.repeat(np.arange(50), 3)
    assert all(len(set(folds(request, 4)[request == i])) == 1 for i in range(50))


def test_all_requests_of_a_user_share_a_fold_so_that_no_taste_is_seen_beforehand():
    log, _, _ = many(200, seed=5)
    user = np.arange(200) % 40
    told = replaced(log, user=user)
    whose = np.repeat(user, told.eligible)
    q = cross_fitted(told, whose[:, None], Memoriser, count=3)
    assert (q == -1).all()
    assert (cross_fitted(log, whose[:, None], Memoriser, count=3) != -1).any()


def test_one_fold_is_an_error():
    log, _, _ = many(20, seed=4)
    with pytest.raises(ValueError, match="1 folds; allowed is 2 or more"):
        cross_fitted(log, np.zeros((log.entries, 1)), GroupMeans, count=1)


def test_requests_that_all_fall_into_one_fold_are_an_error():
    log, _, _ = many(2, seed=4)
    first = folds(np.arange(20), 2)
    alike = np.flatnonzero(first == first[0])[:2]
    with pytest.raises(ValueError, match="use more users"):
        cross_fitted(replaced(log, request=alike), np.zeros((log.entries, 1)), GroupMeans)


def test_groups_never_seen_get_the_overall_mean():
    model = GroupMeans(prior=2.0).fit(np.array([[0], [0], [1]]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(model.predict(np.array([[0], [1], [9]])), [(2 + 4 / 3) / 4, (4 / 3) / 3, 2 / 3])


def test_a_user_is_held_out_with_all_requests_and_another_salt_holds_out_others():
    users = np.repeat(np.array([f"u{i}" for i in range(2000)], object), 2)
    held = held_out(users, 7, 0.3)
    assert (held[::2] == held[1::2]).all()
    assert held.mean() == pytest.approx(0.3, abs=0.04)
    both = (held & held_out(users, 8, 0.3)).mean()
    assert both == pytest.approx(0.09, abs=0.03)
