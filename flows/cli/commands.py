"""The `evercurrent` command."""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from components.domain import ContractBroken
from components.publish.pointer import read_pointer
from flows.cli.ask_first import check_somebody_can_be_asked
from flows.cli.backfill_command import backfill
from flows.cli.compare_command import compare
from flows.cli.doctor_command import doctor
from flows.cli.drill_command import drill
from flows.cli.entered import entered
from flows.cli.evaluate_command import evaluate
from flows.cli.exit_codes import INTERRUPTED, REFUSED, explain
from flows.cli.ingest_command import ingest
from flows.cli.options import HOME, AsJson, HomeFolder, instant
from flows.cli.preload import preload
from flows.cli.prune_command import prune
from flows.cli.reports_command import reports
from flows.cli.simulate_command import simulate
from flows.cli.slots_command import free_slots
from flows.cli.stack_commands import down, up
from flows.cli.status_command import status
from flows.cli.window_commands import accept_window, quarantine
from flows.find_source import find_source
from flows.log_stream import service_variables
from flows.stack.beside import await_server
from flows.stack.ports import check_free
from flows.workspace import SILENT, enter

app = typer.Typer(
    help="Keeps a recommender fresh: ingest, validate, drift, update, remember, evaluate, release.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def quietly() -> None:
    """Keep the libraries' log lines off the terminal, unless the environment asks for them."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)


@app.command()
def replay(
    source: Annotated[
        str, typer.Option(help="A shipped source, or the path of a .toml description.")
    ] = "movietweetings",
    turns: Annotated[str, typer.Option(help="Periods to replay after generation 1, or 'all'.")] = "8",
    data: Annotated[Path | None, typer.Option(help="The log, where the source ships none.")] = None,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded log through the loop, turn by turn."""
    begin, wanted = time.perf_counter(), _turns(turns)
    find_source(source)  # a slip is told before anything is started
    entered(home)
    import prefect  # noqa: F401 - on its own first: what it takes is orchestration, what the stages' libraries take is not

    loading = time.perf_counter()
    from flows.cli.tables import show, watched
    from flows.replay.replay import in_foreground
    from flows.replay.replay_record import Start

    preload()
    start = Start(begin, time.perf_counter() - loading)
    with watched(quiet=as_json):
        await_server()
        record = in_foreground(home, source, wanted, data, start)
    if as_json:
        typer.echo(record.model_dump_json(indent=1))
    else:
        show(record, home)


app.command()(compare)
app.command()(backfill)
app.command()(ingest)


@app.command()
def loop(
    cutoff: Annotated[str | None, typer.Option(help="ISO instant that ends the window; default now, UTC.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Ask a person before a generation is released.")] = False,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """One turn of the loop: from what was logged to the next generation, or to a reasoned no."""
    until = instant(cutoff)
    if approve:
        check_somebody_can_be_asked()
    workspace = entered(home, of_a_log=True)
    from flows.cli.ask import asked_here
    from flows.cli.tables import show_turn, watched
    from flows.daily_loop import daily_loop

    with watched(quiet=as_json) as bar, asked_here(bar):
        preload()
        await_server()
        record = daily_loop(str(home), until, approve)
    if as_json:
        typer.echo(record.model_dump_json(indent=1))
    else:
        show_turn(record, workspace.pages(record.instant))


@app.command("refresh-memory")
def refresh_memory(
    cutoff: Annotated[str | None, typer.Option(help="ISO instant up to which outcomes are known; default now.")] = None,
    home: HomeFolder = HOME,
) -> None:
    """The fast loop: the champion's memory learns what has matured; no new generation."""
    until = instant(cutoff)
    entered(home, of_a_log=True)
    from flows.refresh_memory import refresh_memory as refresh

    await_server()
    typer.echo(refresh(str(home), until))


app.command()(evaluate)
app.command("accept-window")(accept_window)
app.command()(quarantine)


app.command()(drill)


app.command()(status)
app.command("free-slots")(free_slots)


@app.command()
def rollback(
    to: Annotated[int, typer.Option(help="Generation that becomes champion; a later one re-promotes.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the release ledger.")],
    home: HomeFolder = HOME,
) -> None:
    """Move the champion pointer, back or forward, with a reason."""
    entered(home, of_a_log=True)
    from flows.rollback import rollback as move

    await_server()
    typer.echo(move(str(home), to, reason))


@app.command()
def forget(
    user: Annotated[str, typer.Argument(help="The user's id, as the log has it.")],
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Forget a user: decision log, warehouse, a running service, and all that is made from now on."""
    workspace = enter(home)
    from flows.forget import forget as leave_out

    made = leave_out(workspace, user)
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
    else:
        rows = ", ".join(f"{count} {table}" for table, count in made.warehouse.items())
        days = f", {made.old_days} requests of old days" if made.old_days else ""
        typer.echo(f"taken out: {rows}, {made.decision_log} lines of the decision log{days}")
        typer.echo(f"made before, and kept: {', '.join(made.bundles) or 'nothing'}")
        for remains in made.remains:
            typer.echo(f"not reached: {remains}")


@app.command(name="self-check")
def self_check(
    requests: Annotated[int, typer.Option(min=1, help="The latest requests of the decision log.")] = 1000,
    tick_seconds: Annotated[float, typer.Option(help="As EVERCURRENT_TICK_SECONDS of the service.")] = 0.25,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Compute logged propensities again, from the decision log and the bundles.

    Exit codes: 0 they come out again, 4 they do not: what was logged cannot be judged by weighting.
    """
    workspace = enter(home)
    from flows.stages.self_check import self_check as check

    found = check(workspace, requests, tick_seconds)
    typer.echo(found.model_dump_json(indent=1) if as_json else found.said)
    if not found.passed:
        raise typer.Exit(REFUSED)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    home: HomeFolder = HOME,
) -> None:
    """Serve the champion; it follows the pointer without dropping a request."""
    state = enter(home)
    if read_pointer(state.root) is None:
        raise ContractBroken(
            f"{state.root} has no champion yet; make one first: evercurrent replay, or evercurrent loop"
        )
    check_free(host, port, "--port")
    os.environ.update(service_variables(state))
    words = ["serve", "bento.service:Evercurrent", "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *words])


app.command()(simulate)
app.command()(reports)
app.command()(prune)
app.command()(up)
app.command()(down)
app.command()(doctor)


@app.command()
def containerize(
    to: Annotated[Path | None, typer.Option(help="The folder; default: containers/ in the home.")] = None,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Write what a container engine makes the champion's image of: its Bento, and a Dockerfile."""
    workspace = enter(home)
    from flows.containerize import containerize as write

    made = write(workspace, to)
    typer.echo(made.model_dump_json(indent=1) if as_json else f"{made.folder}\nbuild it: {made.command}")


def main() -> None:
    """Run a command; bad news is one line on stderr and an exit code that means something."""
    try:
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:  # Typer turns Ctrl-C into a bare code
            raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt) as error:  # every way a run can end has its line and its code
        news = explain(error)
        typer.echo(news.line, err=True)
        code = news.code
    logging.disable(logging.CRITICAL)  # Prefect tells of its own server going down
    sys.exit(code)


def _turns(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"--turns is {text!r}; allowed is a whole number from 1, or all")
    return int(text)
