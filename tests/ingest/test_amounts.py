"""Rewards that are amounts: how a source says so, and what happens to a cell that is none."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.ingest.interactions import LogTables, canonical
from components.ingest.reward_rule import RewardRule
from components.ingest.source import Source, read_source
from tests.conftest import DESCRIPTION

AMOUNT = 'column = "spent"\nkind = "purchase"\nreward = "amount"'


def source(tmp_path: Path, *lines: str, outcome: str = AMOUNT) -> Source:
    path = tmp_path / "shop.toml"
    said = "\n".join((outcome, *lines))
    path.write_text(DESCRIPTION.replace('column = "liked"\nkind = "like"\nequals = 1', said))
    return read_source(path)


def tables(of: Source, spent: list[object]) -> LogTables:
    n = len(spent)
    frame = pd.DataFrame(
        {"who": np.arange(n), "what": np.arange(n) % 3, "when": 1_400_000_000 + np.arange(n), "kinds": "a"}
    )
    return canonical(frame.assign(spent=pd.Series(spent)), of, "shop.csv")


def rows(spent: object) -> list[object]:
    """One odd cell among thirty sound ones: few enough to be set aside."""
    return [*[float(i % 4) for i in range(30)], spent]


def test_an_amount_is_a_reward_of_1_or_0_and_a_grade_in_its_unit(tmp_path: Path) -> None:
    shop = source(tmp_path, 'unit = "EUR"', "range = [0, 500]")
    outcomes = tables(shop, [0.0, 12.5, None, 500.0]).outcomes
    assert outcomes["reward"].tolist() == [0.0, 1.0, 1.0]
    assert outcomes["grade"].tolist() == [0.0, 12.5, 500.0]
    rule = RewardRule.of(shop)
    assert rule.earned(outcomes["reward"].to_numpy(), outcomes["grade"].to_numpy()).tolist() == [0.0, 12.5, 500.0]
    assert (rule.value_range, rule.unit) == ((0.0, 500.0), "EUR")


def test_ratings_count_from_the_lower_end_of_their_range(tmp_path: Path) -> None:
    outcomes = tables(source(tmp_path, "range = [1, 5]"), [1, 3, 5]).outcomes
    assert outcomes["reward"].tolist() == [0.0, 1.0, 1.0]
    assert outcomes["grade"].tolist() == [0.0, 2.0, 4.0]


def test_without_a_range_amounts_know_no_upper_limit_and_are_told_in_their_columns_name(tmp_path: Path) -> None:
    rule = RewardRule.of(source(tmp_path))
    assert (rule.value_range, rule.unit) == ((0.0, float("inf")), "spent")
    assert rule.grade(1e9, None) == 1e9


def test_an_amount_kept_to_seven_digits_stays_within_its_range(tmp_path: Path) -> None:
    rule = RewardRule.of(source(tmp_path, "range = [0, 0.1]"))
    assert rule.earned(np.ones(1, np.float32), np.array([0.1], np.float32)).tolist() == [0.1]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (-5.0, "column spent: row 31 with -5.0 for an amount, allowed is an amount from 0 to 500 EUR"),
        (500.01, "column spent: row 31 with 500.01 for an amount, allowed is an amount from 0 to 500 EUR"),
        (float("inf"), "column spent: row 31 with inf for an amount, allowed is an amount from 0 to 500 EUR"),
        ("a lot", "column spent: row 31 with 'a lot' for an amount, allowed is an amount from 0 to 500 EUR"),
    ],
)
def test_a_cell_that_is_no_amount_sets_its_row_aside_in_one_line(tmp_path: Path, cell: object, said: str) -> None:
    found = tables(source(tmp_path, 'unit = "EUR"', "range = [0, 500]"), rows(cell))
    assert found.set_aside == 1 and found.faults == (f"shop.csv, {said}",)
    assert len(found.outcomes) == 30


def test_a_missing_amount_is_unknown_and_not_0(tmp_path: Path) -> None:
    found = tables(source(tmp_path), rows(float("nan")))
    assert found.set_aside == 0 and len(found.impressions) == 31 and len(found.outcomes) == 30


def test_a_column_of_refunds_refuses_the_log_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=r"^shop.csv, column spent: 3 rows \(2, 4, 6\) with -1") as told:
        tables(source(tmp_path), [1.0, -1.0] * 3)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (-5, "outcome value is -5; allowed is an amount from 0 to 500 EUR"),
        (501, "outcome value is 501; allowed is an amount from 0 to 500 EUR"),
        ("dear", "outcome value is 'dear'; allowed is a finite number"),
        (float("nan"), "outcome value is nan; allowed is a finite number"),
    ],
)
def test_the_service_refuses_an_outcome_that_is_no_amount(tmp_path: Path, value: float | str, said: str) -> None:
    rule = RewardRule.of(source(tmp_path, 'unit = "EUR"', "range = [0, 500]"))
    with pytest.raises(ContractBroken, match=re.escape(said)):
        rule.reward("purchase", value)
    assert rule.reward("purchase", "12.5") == 1.0 and rule.grade("12.5", None) == 12.5


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (f"{AMOUNT}\nequals = 1", "outcome has 2 rules; exactly one of at_least, equals, one_of, reward is allowed"),
        (f'{AMOUNT}\ngrade = "liked"', 'with reward = "amount" the amount is the grade'),
        (f"{AMOUNT}\nrange = [5, 5]", "range is [5.0, 5.0]; allowed are two numbers, the lower one first"),
        (f"{AMOUNT}\nrange = [0, inf]", "outcome.range"),
        (f'{AMOUNT}\nunit = ""', "outcome.unit"),
        ('column = "liked"\nkind = "like"\nequals = 1\nunit = "EUR"', 'allowed with reward = "amount" alone'),
        ('column = "liked"\nkind = "like"\nreward = "money"', "outcome.reward"),
    ],
)
def test_a_description_of_amounts_that_means_nothing_is_refused(tmp_path: Path, outcome: str, said: str) -> None:
    with pytest.raises(ContractBroken, match=re.escape(said)) as told:
        source(tmp_path, outcome=outcome)
    assert "\n" not in str(told.value)
