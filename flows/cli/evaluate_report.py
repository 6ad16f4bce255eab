"""What a person sees of an evaluation of their own log."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.evaluate.evaluation import Estimate, Evaluation
from components.evaluate.evaluation_page import evaluation_page
from components.pages.page import write_page


def show_evaluation(found: Evaluation) -> None:
    """Verdict, reasons, and every estimate with its interval."""
    console = Console()
    console.print(f"{found.verdict}", style="bold")
    for reason in found.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("estimator", "value", "95 % interval", "ESS"):
        table.add_column(name, justify="left" if name == "estimator" else "right")
    for estimate in found.estimates:
        table.add_row(*_cells(estimate.name, estimate))
    if found.difference:
        table.add_section()
        table.add_row(*_cells("challenger - champion", found.difference))
    console.print(table)


def write_evaluation(path: Path, found: Evaluation, log: str) -> None:
    """The page of an evaluation."""
    write_page(path, evaluation_page(found, f"Evaluation on {log}"))


def _cells(name: str, e: Estimate) -> tuple[str, str, str, str]:
    interval = "-" if e.interval == "none" else f"[{e.lower:.4f}, {e.upper:.4f}]"
    return name, f"{e.value:.4f}", interval, f"{e.ess:.0f}"
