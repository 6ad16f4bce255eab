"""`evercurrent evaluate` on logs that mean nothing: one line that names row and column, and its exit code."""

from pathlib import Path

import pandas as pd
import pytest

from flows.cli.commands import app
from flows.cli.exit_codes import BROKEN, USAGE, explain

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
