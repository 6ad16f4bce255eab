"""Validate and measure drift: the window's frames in, findings written beside the turn and into the ledger."""

import pandas as pd
import pyarrow as pa

from components.domain import ContractBroken
from components.pages.page import write_page
from components.validate.validate import Validation
from components.validate.validate import validate as check
from components.validate.validation_page import validation_page
from flows.stages.results import Checked
from flows.turn import Turn
from warehouse import query
from warehouse.connect import transaction, warehouse

QUARANTINE = pa.schema([("table_name", pa.string()), ("row_id", pa.string()), ("reason", pa.string())])


def validate(turn: Turn) -> Checked:
    """Hold the window against its contracts; what breaks a row contract goes to quarantine.

    Raises
    ------
    ContractBroken
        If the window as a whole is unsound.
    """
    requests, impressions, outcomes = _window_frames(turn)
    settings = turn.settings.contracts.model_copy(update={"outcome_kinds": (turn.source.outcome.kind,)})
    validation = check(turn.window, requests, impressions, outcomes, settings)
    _write(turn, validation)
    whole = requests[requests["request_id"].isin(set(validation.whole_requests))]
    if not validation.success:
        share = validation.statistics.share_set_aside
        raise ContractBroken(
            f"{share:.1%} of the window's impressions broke a contract, {settings.max_set_aside:.1%} is allowed; "
            f"see {turn.home.turn(turn.window.cutoff) / 'validation.html'}"
        )
    return Checked(validation, whole.reset_index(drop=True))


def _window_frames(turn: Turn) -> tuple[pd.DataFrame, ...]:
    keys: dict[str, query.Parameter] = {
        "source": turn.source.name,
        "start": turn.window.start,
        "cutoff": turn.window.cutoff,
    }
    with warehouse(turn.home.warehouse) as connection:
        names = ("window_requests", "window_impressions", "window_outcomes")
        requests, *others = (query.frame(connection, f"02_validate/{name}", **keys) for name in names)
    eligible = requests["eligible"].astype(object)
    return requests.assign(eligible=eligible.where(eligible.notna(), None)), *others


def _write(turn: Turn, validation: Validation) -> None:
    folder = turn.home.turn(turn.window.cutoff)
    write_page(folder / "validation.html", validation_page(validation))
    write_page(folder / "validation.json", validation.to_json())
    key: dict[str, query.Parameter] = {"source": turn.source.name, "cutoff": turn.window.cutoff}
    rejected = pa.Table.from_pandas(validation.quarantined, schema=QUARANTINE, preserve_index=False)
    with warehouse(turn.home.warehouse) as connection, transaction(connection):
        query.execute(connection, "02_validate/clear_quarantine", **key)
        query.execute(connection, "02_validate/replace_quarantine", {"batch_quarantine": rejected}, **key)
        query.execute(
            connection,
            "06_ledger/record_validation",
            accepted=validation.statistics.accepted,
            quarantined=validation.statistics.quarantined,
            report=validation.to_json(),
            **key,
        )
