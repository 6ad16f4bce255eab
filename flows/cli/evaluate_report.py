"""What a person sees of an evaluation of their own log."""

import numpy as np
from rich.console import Console
from rich.table import Table

from components.evaluate.estimate import Estimate
from components.evaluate.evaluation import Evaluation


def show_evaluation(found: Evaluation) -> None:
    """Warnings first, then verdict, reasons, and every estimate with its interval."""
    console = Console()
    for warning in found.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    console.print(f"{found.verdict}", style="bold")
    for reason in found.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("policy, estimator", "value", "95 % interval", "ESS"):
        table.add_column(name, justify="left" if name == "policy, estimator" else "right")
    for estimate in found.estimates:
        table.add_row(*_cells(f"challenger, {estimate.name}", estimate))
    if found.champion_value:
        table.add_row(*_cells(f"{found.compared_with}, {found.champion_value.name}", found.champion_value))
    if found.difference:
        table.add_section()
        table.add_row(*_cells(f"challenger - {found.compared_with}", found.difference))
    console.print(table)
    if found.detectable is not None:
        console.print(f"smallest true difference that this sample would have shown: {found.detectable:.4f}")


def _cells(name: str, e: Estimate) -> tuple[str, str, str, str]:
    upper = f"{e.upper:.4f}" if np.isfinite(e.upper) else "unknown"
    interval = "-" if e.interval == "none" else f"[{e.lower:.4f}, {upper}]"
    return name, f"{e.value:.4f}", interval, f"{e.ess:.0f}"
