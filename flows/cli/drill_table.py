"""What a person sees of a drill."""

from rich.console import Console
from rich.table import Table

from flows.cli.tables import STYLES
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
