"""Runs contracts with Great Expectations: which rows of a frame break which contract."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from components.domain import ContractBroken
from components.validate.contracts import Contract

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

ROWS = {"result_format": "COMPLETE", "include_unexpected_rows": False}
"""Names the rows that break a contract; costs no more than a summary where none does (see docs/LOG.md)."""


@dataclass(frozen=True, slots=True)
class ContractResult:
    """What became of one contract: `rows` are the positions, ascending, of the rows that break it."""

    table: str
    reason: str
    checked: int
    rows: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """No row breaks it."""
        return not self.rows


@dataclass(frozen=True, slots=True)
class Checker:
    """Great Expectations with one context, for one validation: windows and threads share no state."""

    definition: "BatchDefinition"

    @classmethod
    def make(cls) -> "Checker":
        """A fresh context in memory; 10 ms once Great Expectations is imported."""
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # temporary folders
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("window").add_dataframe_asset("table")
        return cls(asset.add_batch_definition_whole_dataframe("whole"))

    def run(self, table: str, frame: pd.DataFrame, contracts: Sequence[Contract]) -> tuple[ContractResult, ...]:
        """One result per contract, in their order. `frame` has n rows, positions are 0 to n - 1.

        Raises
        ------
        ContractBroken
            If an expectation could not be evaluated at all; that is never read as "holds".
        """
        import great_expectations as gx

        if frame.empty:
            return tuple(ContractResult(table, contract.reason, 0, ()) for contract in contracts)
        suite = gx.ExpectationSuite(name=table)
        for contract in contracts:
            expectation = contract.make()
            expectation.meta = {"reason": contract.reason}
            suite.add_expectation(expectation)
        batch = self.definition.get_batch({"dataframe": frame.reset_index(drop=True)})
        found = {_reason(result): _rows(table, result) for result in batch.validate(suite, result_format=ROWS).results}
        return tuple(ContractResult(table, c.reason, len(frame), found[c.reason]) for c in contracts)


def _reason(result: "ExpectationValidationResult") -> str:
    config = result.expectation_config
    return str(config.meta["reason"]) if config is not None and config.meta else ""


def _rows(table: str, result: "ExpectationValidationResult") -> tuple[int, ...]:
    if not result.success and "unexpected_index_list" not in result.result:
        raise ContractBroken(f"{table}: the contract on {_reason(result)!r} could not be checked: {_cause(result)}")
    return tuple(sorted(int(row) for row in result.result["unexpected_index_list"]))


def _cause(result: "ExpectationValidationResult") -> str:
    info = result.exception_info
    message = info.get("exception_message") or next(iter(info.values()))["exception_message"]
    return str(message).splitlines()[0]
