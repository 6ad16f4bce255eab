"""The contracts on single rows: a row that breaks one is set aside with the reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.schema import (
    IMPRESSIONS,
    REQUESTS,
)
from components.validate.contracts import Contract, expectations

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation


def row_contracts(table: str, outcome_kinds: Sequence[str]) -> tuple[Contract, ...]:
    """Contracts on the rows of one table of `joined`, in the order in which a row's reason is chosen."""
    return {REQUESTS: _of_requests, IMPRESSIONS: _of_impressions}.get(table, lambda: _of_outcomes(outcome_kinds))()


def _of_requests() -> tuple[Contract, ...]:
    gxe = expectations()

    return (
        Contract("request without an id", lambda: gxe.ExpectColumnValuesToNotBeNull(column="request_id")),
        Contract("duplicate request", lambda: gxe.ExpectColumnValuesToBeUnique(column="request_id")),
        Contract("request without a user", lambda: gxe.ExpectColumnValuesToNotBeNull(column="user_id")),
    )


def _of_impressions() -> tuple[Contract, ...]:
    gxe = expectations()

    def valid_propensity() -> "Expectation":
        return gxe.ExpectColumnValuesToBeBetween(column="propensity", min_value=0, max_value=1, strict_min=True)

    def one_item_per_position() -> "Expectation":
        return gxe.ExpectCompoundColumnsToBeUnique(column_list=["request_id", "position"])

    return (
        Contract("impression without an id", lambda: gxe.ExpectColumnValuesToNotBeNull(column="impression_id")),
        Contract("duplicate impression", lambda: gxe.ExpectColumnValuesToBeUnique(column="impression_id")),
        Contract("impression of an unknown request", lambda: gxe.ExpectColumnValuesToNotBeNull(column="shown_at")),
        Contract("impression without an item", lambda: gxe.ExpectColumnValuesToNotBeNull(column="item_id")),
        Contract("propensity outside (0, 1]", valid_propensity),
        Contract("position below 0", lambda: gxe.ExpectColumnValuesToBeBetween(column="position", min_value=0)),
        Contract("position taken twice in a slate", one_item_per_position),
        Contract(
            "item outside its eligible set",
            lambda: gxe.ExpectColumnValuesToBeInSet(column="is_eligible", value_set=[True]),
        ),
    )


def _of_outcomes(kinds: Sequence[str]) -> tuple[Contract, ...]:
    gxe = expectations()

    def after_impression() -> "Expectation":
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="outcome_at", column_B="shown_at", or_equal=True, ignore_row_if="either_value_is_missing"
        )

    return (
        Contract(
            "outcome of an unknown impression",
            lambda: gxe.ExpectColumnValuesToBeInSet(column="is_known", value_set=[True]),
        ),
        Contract(
            "unknown outcome kind",
            lambda: gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=list(kinds)),
        ),
        Contract("outcome without a kind", lambda: gxe.ExpectColumnValuesToNotBeNull(column="kind")),
        Contract("outcome before its impression", after_impression),
        Contract(
            "duplicate outcome", lambda: gxe.ExpectCompoundColumnsToBeUnique(column_list=["impression_id", "kind"])
        ),
        Contract("reward missing", lambda: gxe.ExpectColumnValuesToNotBeNull(column="reward")),
        Contract(
            "reward outside [0, 1]",
            lambda: gxe.ExpectColumnValuesToBeBetween(column="reward", min_value=0, max_value=1),
        ),
    )
