"""What it costs and brings to leave one machine.

    python -m benchmarks.scale_out --home .evercurrent [--nodes 2] [--json]

Runs `benchmarks.shards`, `benchmarks.replicas` and `benchmarks.power_cut`, each in a process of its own, and puts their
figures side by side. Speed is told per processor second: nodes of one machine share its cores, so that its wall clock
says nothing of two machines.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.scale_process import measured
from components.domain import EvercurrentError


def measure(home: Path, nodes: int, kills: int, cuts: int) -> dict[str, Any]:
    """All figures, as ``--json`` has them."""
    shared = _said("benchmarks.shards", "--workers", "1,2,4", "--nodes", nodes, "--json")
    replicas = _said("benchmarks.replicas", "--home", home, "--kills", kills, "--nodes", nodes, "--json")
    power = _said("benchmarks.power_cut", "--cuts", cuts, "--json")
    return {
        "agreement": shared["agreement"],
        "speedup_cpu": {count: value for count, value in shared["speedup_cpu"].items() if count != "1"},
        "replicas": {name: replicas[name] for name in ("visible_ms_p99", "lost", "duplicated")},
        "power_cut": {name: power[name] for name in ("recovered_seconds", "lost_turns")},
    }


def _said(*words: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(measured(*words).said)
    return told


def main(
    home: Annotated[Path, typer.Option(help="A home with a champion, for the replicas to serve.")] = Path(
        ".evercurrent"
    ),
    nodes: Annotated[
        int, typer.Option(min=0, help="Network namespaces for workers and replicas (root); 0: loopback.")
    ] = 0,
    kills: Annotated[int, typer.Option(min=1, help="Replicas that are killed.")] = 50,
    cuts: Annotated[int, typer.Option(min=1, help="Times the power is cut.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure all of it."""
    try:
        found = measure(home, nodes, kills, cuts)
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    table = Table("", "", title="beyond one machine")
    for part, figures in found.items():
        for name, value in figures.items():
            table.add_row(f"{part} {name}", f"{value:.4g}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
