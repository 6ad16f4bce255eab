"""What a person sees of a drill."""

from rich.console import Console
from rich.table import Table

from flows.cli.tables import STYLES
from flows.drill.bad_week_record import BadWeek, BadWeekRecord
from flows.drill.drill_record import DrilledCase, DrillRecord


def show_drill(record: DrillRecord) -> None:
    """One line per case: what happened to it, what it was worth, how it ended and why."""
    console = Console()
    table = Table(title="the drill", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in ("case", "what happened to it", "worth", "verdict", "why"):
        table.add_column(name, justify="right" if name == "worth" else "left", no_wrap=name == "verdict")
    for case in record.cases:
        style = STYLES[case.verdict] if case.as_it_should else "bold red"
        table.add_row(case.case, case.mishap, worth(case), f"[{style}]{case.verdict}[/{style}]", why(case))
    console.print(table)
    _ended(console, record)


def show_bad_weeks(record: BadWeekRecord) -> None:
    """One line per lie: what was wrong with the log, what the loop did about it, and what it cost."""
    console = Console()
    table = Table(title="the drill of the data", title_justify="left", header_style="bold", box=None, pad_edge=False)
    heads = ("case", "what is wrong with the log", "action", "AUC after", "never logged", "promotes again", "why")
    for name in heads:
        table.add_column(name, justify="right" if name in heads[3:5] else "left", no_wrap=name == "action")
    for case in record.cases:
        style = "green" if case.as_it_should else "bold red"
        again = "no" if case.promoted_after is None else f"turn {case.promoted_after}"
        figures = (f"{case.auc_after:.4f}", f"{case.auc_without:.4f}")
        action = f"[{style}]{case.action if case.noticed else case.verdict}[/{style}]"
        table.add_row(case.case, case.said, action, *figures, again, evidence(case))
    console.print(table)
    _ended(console, record)


def evidence(case: BadWeek) -> str:
    """The sentence that noticed, or the first."""
    return next((r for r in case.reasons if r.startswith("refused:")), case.reasons[0]).partition(";")[0]


def _ended(console: Console, record: DrillRecord | BadWeekRecord) -> None:
    bad = sum(not case.as_it_should for case in record.cases)
    ended = (
        "every case ended as it should" if record.passed else f"{bad} of {len(record.cases)} did not end as it should"
    )
    console.print(f"\n{ended}; {record.seconds:.0f} seconds, in {record.home}", soft_wrap=True)


def worth(case: DrilledCase) -> str:
    """Exact value as a share of the champion's."""
    return "-" if case.worth is None else f"{case.worth:.1%}"


def why(case: DrilledCase) -> str:
    """The sentences that decided: all but what the verdict rests on."""
    return "; ".join(reason for reason in case.reasons if not reason.startswith("rests on"))
