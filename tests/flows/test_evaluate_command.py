"""`evercurrent evaluate`: on logs that mean nothing, and in a shop whose users come back and whose loggers change."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from components.domain import Doubles, Verdict
from components.evaluate.evaluation import Evaluation
from components.evaluate.read_evaluation import read_evaluation
from flows.cli.commands import app
from flows.cli.exit_codes import BROKEN, HELD, REFUSED, USAGE, explain

ROWS = [(f"r{i}", "ab"[i % 2], i % 2, 0.5) for i in range(6)]
LOG = pd.DataFrame(ROWS, columns=["request_id", "item_id", "reward", "propensity"])
TARGET = pd.DataFrame(
    [(f"r{i}", item, share) for i in range(6) for item, share in (("a", 0.6), ("b", 0.4))],
    columns=["request_id", "item_id", "probability"],
)


def changed(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    """The frame with one cell replaced."""
    out = frame.astype({column: object})
    out.loc[row, column] = value
    return out


def said(tmp_path: Path, log: pd.DataFrame, target: pd.DataFrame) -> tuple[int, str]:
    """Exit code and line of the command."""
    log.to_csv(tmp_path / "log.csv", index=False)
    target.to_csv(tmp_path / "target.csv", index=False)
    words = ["evaluate", "--log", str(tmp_path / "log.csv"), "--target", str(tmp_path / "target.csv"), "--json"]
    return outcome([*words, "--home", str(tmp_path)])


def outcome(words: list[str]) -> tuple[int, str]:
    """What `main` would exit with and say."""
    try:
        return app(words, standalone_mode=False) or 0, ""
    except Exception as error:
        return (news := explain(error)).code, news.line


@pytest.mark.parametrize(
    ("log", "target", "line"),
    [
        (changed(LOG, 2, "reward", "nan"), TARGET, "log, row 2, column reward: nan; allowed are finite numbers from 0"),
        (changed(LOG, 2, "reward", None), TARGET, "log, row 2, column reward: nan; allowed are finite numbers from 0"),
        (changed(LOG, 3, "reward", -1), TARGET, "log, row 3, column reward: -1; allowed are finite numbers from 0"),
        (changed(LOG, 4, "reward", "inf"), TARGET, "log, row 4, column reward: inf; allowed are finite numbers from 0"),
        (changed(LOG, 4, "reward", "-inf"), TARGET, "log, row 4, column reward: -inf; allowed are finite numbers from"),
        (changed(LOG, 1, "reward", "yes"), TARGET, "log, row 1, column reward: 'yes' is no number"),
        (changed(LOG, 1, "item_id", "z"), TARGET, "log, row 1, column item_id: z is outside the target's eligible set"),
        (LOG[:0], TARGET, "the log is empty; allowed is one row or more"),
        (LOG[:1], TARGET, "log: row 0 is the only decision; an interval needs two or more"),
        (LOG, changed(TARGET, 2, "probability", 0.7), "target, row 2, column probability: over the eligible set of"),
        (LOG, changed(TARGET, 2, "probability", -0.6), "target, row 2, column probability: -0.6; allowed are probab"),
    ],
)
def test_a_bad_input_is_one_line_with_row_and_column_and_code_3(
    tmp_path: Path, log: pd.DataFrame, target: pd.DataFrame, line: str
) -> None:
    code, words = said(tmp_path, log, target)
    assert code == BROKEN
    assert words.startswith(f"error: {line}")
    assert "\n" not in words


def test_wrong_words_are_code_2(tmp_path: Path) -> None:
    assert outcome(["evaluate", "--log", str(tmp_path / "log.csv")])[0] == USAGE
    code, line = outcome(["evaluate", "--log", str(tmp_path / "no.csv"), "--target", str(tmp_path / "no.csv")])
    assert (code, "no file at" in line) == (BROKEN, True)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--kind", "update", "--margin", "1.5"], USAGE, "--margin is 1.5; allowed is a share from 0 to 1"),
        (["--kind", "update", "--margin", "-0.1"], USAGE, "--margin is -0.1; allowed is a share from 0 to 1"),
        (["--margin", "0.1"], USAGE, "--margin is read with kind update alone"),
        (["--kind", "better"], USAGE, "'better' is not one of"),
        (["--range", "1", "0"], USAGE, "--range is 1 0; allowed are two numbers from 0, the smaller one first"),
        (["--range", "-1", "1"], USAGE, "--range is -1 1; allowed are"),
        (["--range", "0", "0.5"], BROKEN, "log, row 1, column reward: 1; the range given is 0 to 0.5; so are 2 more"),
        (["--metric", "clicks"], BROKEN, "lacks column clicks; needed are request_id, item_id, clicks, propensity"),
        (["--metric", "item_id"], BROKEN, "log, row 0, column item_id: 'a' is no number"),
    ],
)
def test_wrong_words_are_one_line_that_says_what_is_allowed(
    tmp_path: Path, words: list[str], code: int, line: str
) -> None:
    LOG.to_csv(tmp_path / "log.csv", index=False)
    TARGET.to_csv(tmp_path / "target.csv", index=False)
    files = ["--log", str(tmp_path / "log.csv"), "--target", str(tmp_path / "target.csv"), "--home", str(tmp_path)]
    found, said_line = outcome(["evaluate", *files, *words])
    assert (found, line in said_line, "\n" in said_line) == (code, True, False), said_line


ITEMS = np.array([f"i{i}" for i in range(6)])


class Shop:
    """Users who come back and like what they like; generations 1 and 2 answered half of the requests each."""

    def __init__(self, seed: int, users: int = 500, lean: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        visits = 1 + rng.poisson(3, users)
        user = rng.permutation(np.repeat(np.arange(users), visits))
        likes = np.clip(0.25 + 0.3 * rng.normal(size=(users, 1)) + 0.1 * rng.normal(size=(users, 6)), 0.01, 0.95)
        likes[:, 0] = np.minimum(likes[:, 0] + 0.1, 1)
        scores = rng.normal(size=(users, 6))
        policies = [self._shares(scores[user]), self._shares(scores[user][:, ::-1])]
        n, generation = len(user), rng.integers(1, 3, len(user))
        self.logging = np.where((generation == 1)[:, None], *policies)
        shown = (self.logging.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        each = [p[np.arange(n), shown] for p in policies]
        self.log = pd.DataFrame(
            {
                "request_id": [f"r{i}" for i in range(n)],
                "user_id": user,
                "item_id": ITEMS[shown],
                "clicked": (rng.random(n) < likes[user, shown]).astype(int),
                "propensity": self.logging[np.arange(n), shown],
                "generation": generation,
                "propensity_1": each[0],
                "propensity_2": each[1],
            }
        )
        mixed = (1 - lean) * sum(policies) / 2
        mixed[:, 0] += lean
        self.gain = float(((mixed - sum(policies) / 2) * likes[user]).sum(axis=1).mean())
        self.target = pd.DataFrame(
            {"request_id": self.log["request_id"].repeat(6), "item_id": np.tile(ITEMS, n), "probability": mixed.ravel()}
        )

    @staticmethod
    def _shares(scores: Doubles) -> Doubles:
        out = np.exp(0.7 * scores)
        return out / out.sum(axis=1, keepdims=True)

    def judged(
        self, folder: Path, *words: str, without: Sequence[str] = (), more: pd.DataFrame | None = None
    ) -> tuple[int, Evaluation]:
        """Exit code and what the command wrote."""
        self.log.drop(columns=list(without)).to_parquet(folder / "log.parquet")
        (self.target if more is None else more).to_parquet(folder / "target.parquet")
        files = ["--log", folder / "log.parquet", "--target", folder / "target.parquet", "--home", folder]
        asked = ["evaluate", *map(str, files), "--metric", "clicked", "--json", *words]
        done = CliRunner().invoke(app, asked)
        return done.exit_code, read_evaluation(done.stdout)


LOGGERS = ("propensity_1", "propensity_2")


def test_a_better_policy_is_promoted_with_code_0_and_one_like_the_log_is_held_with_code_5(tmp_path: Path) -> None:
    code, found = Shop(1, lean=0.6).judged(tmp_path)
    assert (code, found.verdict, found.kind, found.compared_with) == (0, Verdict.PROMOTE, "change", "what was logged")
    code, found = Shop(2).judged(tmp_path)
    assert (code, found.verdict) == (HELD, Verdict.HOLD)
    code, found = Shop(2).judged(tmp_path, "--kind", "update", "--margin", "0.2")
    assert (code, found.verdict, found.kind) == (0, Verdict.PROMOTE, "update")


def test_a_log_that_cannot_carry_a_verdict_is_refused_with_code_4(tmp_path: Path) -> None:
    shop = Shop(3)
    shop.log["propensity"] = 1.0
    code, found = shop.judged(tmp_path, without=LOGGERS)
    assert code == REFUSED
    assert "propensity 1" in found.reasons[0]
    assert Shop(3, users=30).judged(tmp_path)[0] == REFUSED


def test_users_who_come_back_widen_the_interval_and_their_absence_is_a_warning(tmp_path: Path) -> None:
    shop = Shop(4)
    told, untold = shop.judged(tmp_path)[1], shop.judged(tmp_path, without=["user_id"])[1]
    wide, narrow = (e.value.upper - e.value.lower for e in (told, untold) if e.value is not None)
    assert wide > 1.1 * narrow
    assert not any("user_id" in w for w in told.warnings)
    assert any("user_id" in w for w in untold.warnings)


def test_two_loggers_weighed_together_are_tighter_than_each_by_itself(tmp_path: Path) -> None:
    shop = Shop(5)
    mixed, plain = shop.judged(tmp_path)[1], shop.judged(tmp_path, without=LOGGERS)[1]
    assert mixed.value is not None and plain.value is not None
    assert mixed.diagnostics.ess > 1.05 * plain.diagnostics.ess
    assert mixed.value.upper - mixed.value.lower < plain.value.upper - plain.value.lower
    assert mixed.value.value == pytest.approx(plain.value.value, abs=0.03)


def test_intervals_hold_the_true_gain_over_what_was_logged_as_often_as_they_say(tmp_path: Path) -> None:
    covered, models = [], []
    for seed in range(24):
        shop = Shop(100 + seed, users=250, lean=0.3)
        for held, words in ((covered, ()), (models, ("--fit",))):
            gap = shop.judged(tmp_path, *words)[1].difference
            assert gap is not None
            held.append(gap.lower <= shop.gain <= gap.upper)
    # of 24 intervals of 95 %, fewer than 20 hold in 1 case of 200
    assert min(sum(covered), sum(models)) >= 20


def test_a_model_fitted_here_adds_its_word_and_dr(tmp_path: Path) -> None:
    names = {e.name for e in Shop(6).judged(tmp_path, "--fit", "--range", "0", "1")[1].estimates}
    assert {"DM", "DR", "DRos"} <= names
    assert "clipped IPS" not in {e.name for e in Shop(6).judged(tmp_path)[1].estimates}, "no range bounds its bias"


def test_estimated_propensities_are_named_wherever_a_figure_stands(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ("--estimate-propensities", "--page", str(page))
    found = Shop(7).judged(tmp_path, *words, without=["propensity", *LOGGERS])[1]
    assert found.propensities == "propensity_estimated"
    assert any("ESTIMATED" in w for w in found.warnings)
    assert "PROPENSITIES ARE ESTIMATED, NOT RECORDED" in page.read_text()
    files = ["--log", str(tmp_path / "log.parquet"), "--target", str(tmp_path / "target.parquet")]
    screen = CliRunner().invoke(app, ["evaluate", *files, "--metric", "clicked", "--estimate-propensities"])
    assert "PROPENSITIES ARE ESTIMATED" in screen.stdout
    assert Shop(7).judged(tmp_path)[1].propensities == "recorded"


def test_a_named_champion_is_what_the_difference_is_to(tmp_path: Path) -> None:
    shop = Shop(8, lean=0.6)
    own = shop.target.assign(champion=shop.target["probability"])
    code, found = shop.judged(tmp_path, more=own)
    assert (code, found.compared_with) == (HELD, "champion")
    assert found.difference is not None and found.difference.value == 0.0


def test_the_help_says_the_exit_codes() -> None:
    told = " ".join(CliRunner().invoke(app, ["evaluate", "--help"]).stdout.split())
    assert f"0 PROMOTE, {HELD} HOLD, {REFUSED} refused" in told
