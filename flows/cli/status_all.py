"""`evercurrent status --all`: one row for each of many homes."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.stack.home_state import HomesState, HomeState

STYLES = {"PROMOTE": "green", "HOLD": "yellow", "ROLL_BACK": "red"}


def show_states(states: HomesState) -> None:
    """The table; then faults and notes, a line each, by home."""
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("home", "champion", "last turn", "verdict", "drift", "next", "service", "faults"):
        table.add_column(name, overflow="fold")
    for home in states.homes:
        table.add_row(*_cells(home))
    console.print(table)
    for fault in states.faults:
        console.print(f"[bold red]mend[/bold red]  {escape(fault)}", soft_wrap=True)
    for home in states.homes:
        for fault in home.faults:
            console.print(f"[bold red]mend[/bold red]  {home.name}: {escape(fault)}", soft_wrap=True)
        for note in home.notes:
            console.print(f"[yellow]note[/yellow]  {home.name}: {escape(note)}", soft_wrap=True)
    for note in states.notes:
        console.print(f"[yellow]note[/yellow]  {escape(note)}", soft_wrap=True)


def _cells(home: HomeState) -> tuple[str, ...]:
    verdict = "-" if home.verdict is None else f"[{STYLES[home.verdict]}]{home.verdict}[/{STYLES[home.verdict]}]"
    champion = "-" if home.champion is None else str(home.champion)
    last = home.last or "never"
    rest = (home.drift_action or "-", home.next or "-", home.service or "-", str(len(home.faults) or "-"))
    return (home.name, champion, last, verdict, *rest)
