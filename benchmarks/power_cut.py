"""How long the loop stands still after a power cut, and whether a turn is lost by one.

    python -m benchmarks.power_cut [--cuts 5] [--postgres] [--seed 0] [--json]

A small home has a stack of its own, whose daily loop is scheduled twice a minute with one cutoff. At an
instant drawn uniformly over the length of a run everything is killed at once (SIGKILL: server, service, worker, run,
and with `--postgres` the database, too). Then the power is back: `evercurrent up`, and from there the seconds until a
scheduled run has finished the turn of the same cutoff. A turn is lost if it was not finished within `PATIENCE`, or with
another result than that of a twin home whose power was never cut.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import psutil
import typer
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.postgres import Cluster
from benchmarks.power_cut_home import day, digest_of, make_home, play
from flows.stack.down import down
from flows.stack.environment import ROOT
from flows.stack.ports import free_port
from flows.stack.record import read_stack
from flows.stack.up import Wanted, up
from flows.workspace import Workspace, enter

PATIENCE = 360.0
"""Seconds after which a turn counts as lost: a slot whose holder is dead comes free after five minutes by itself."""

POLL_SECONDS = 0.5
EVERY = timedelta(seconds=30)
LOOP = "daily-loop/daily-loop"


@dataclass(frozen=True)
class Cut:
    """One cut.

    Attributes
    ----------
    after : seconds after the run was Running.
    under_way : whether the run was still at it.
    up_seconds : what `evercurrent up` took.
    seconds : from the power to the finished turn; None: it never was.
    same : whether the turn came to what it came to in peace.
    """

    after: float
    under_way: bool
    up_seconds: float
    seconds: float | None
    same: bool


def main(
    cuts: Annotated[int, typer.Option(min=1, help="How often the power is cut, each time in a turn of its own.")] = 5,
    postgres: Annotated[bool, typer.Option("--postgres", help="Keep runs in a throw-away PostgreSQL.")] = False,
    seed: Annotated[int, typer.Option(help="Of the instants at which it is cut.")] = 0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Cut the power in the middle of turns."""
    os.environ |= {"PREFECT_WORKER_QUERY_SECONDS": "2", "PYTHONPATH": str(ROOT)}
    with TemporaryDirectory(prefix="evercurrent-power-") as name:
        Path(name).chmod(0o755)
        cluster = Cluster(Path(name) / "postgres") if postgres else None
        try:
            found = measured(Path(name), cuts, seed, cluster)
        finally:
            if cluster is not None:
                cluster.stop()
    told = figures(found)
    typer.echo(json.dumps({**told, "cuts": [asdict(cut) for cut in found]}, indent=1) if as_json else str(told))


def figures(cuts: list[Cut]) -> dict[str, float | int | None]:
    """The longest of the seconds, and how many turns were lost.

    >>> figures([Cut(2.0, True, 20.0, 31.5, True), Cut(3.0, True, 20.0, None, False)])
    {'recovered_seconds': 31.5, 'lost_turns': 1}
    """
    seconds = [cut.seconds for cut in cuts if cut.seconds is not None]
    lost = sum(cut.seconds is None or not cut.same for cut in cuts)
    return {"recovered_seconds": max(seconds, default=None), "lost_turns": lost}


def measured(folder: Path, cuts: int, seed: int, cluster: Cluster | None) -> list[Cut]:
    """Cut after cut, on one home; its twin plays the same turns in peace."""
    home, twin = folder / "home", folder / "twin"
    make_home(home, days=5 + cuts)
    play(twin, home, [day(5 + number) for number in range(1 + cuts)])
    stack = Powered(enter(home), cluster)
    rng = np.random.default_rng(seed)
    try:
        stack.up()
        stack.still()
        length = stack.seconds_of(day(5))
        return [_cut(stack, twin, day(6 + number), float(rng.uniform(0, length))) for number in range(cuts)]
    finally:
        stack.down()


def _cut(stack: "Powered", twin: Path, cutoff: datetime, after: float) -> Cut:
    with stack.scheduled(cutoff):
        stack.await_running()
        time.sleep(after)
        under_way = not stack.has_finished(cutoff)
        stack.cut()
        back = time.monotonic()
        stack.up()
        up_seconds = time.monotonic() - back
        finished = stack.await_finished(cutoff, back + PATIENCE)
        seconds = time.monotonic() - back if finished else None
    same = finished and digest_of(stack.workspace.root, cutoff) == digest_of(twin, cutoff)
    return Cut(round(after, 1), under_way, round(up_seconds, 1), None if seconds is None else round(seconds, 1), same)


class Powered:
    """The stack of a home, and the switch."""

    def __init__(self, workspace: Workspace, cluster: Cluster | None) -> None:
        self.workspace, self.cluster = workspace, cluster
        self.wanted = Wanted(free_port(), free_port(), cluster.url if cluster else None)

    def up(self) -> None:
        """As a person does when the power is back."""
        up(self.workspace, self.wanted)

    def down(self) -> None:
        """As a person does."""
        down(self.workspace, 0.0)

    def still(self) -> None:
        """No schedule but the one that is measured."""
        with self._client() as client:
            for deployment in client.read_deployments():
                for schedule in deployment.schedules:
                    client.delete_deployment_schedule(deployment.id, schedule.id)

    def cut(self) -> None:
        """The power is gone: nothing of the stack gets to say a word."""
        parts = [process for part in read_stack(self.workspace).parts if (process := part.process())]
        family = [*(child for process in parts for child in process.children(recursive=True)), *parts]
        family += self.cluster.processes() if self.cluster else []
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=30)
        if self.cluster is not None:
            self.cluster.start()

    @contextmanager
    def scheduled(self, cutoff: datetime) -> Iterator[None]:
        """The daily loop has a schedule of one cutoff for the block, as a night that comes again and again."""
        wanted = DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=EVERY), parameters={"cutoff": cutoff.isoformat()}
        )
        with self._client() as client:
            deployment = client.read_deployment_by_name(LOOP)
            (made,) = client.create_deployment_schedules(deployment.id, [wanted])
        try:
            yield
        finally:
            with self._client() as client:
                client.delete_deployment_schedule(deployment.id, made.id)

    def await_running(self) -> None:
        """Until a scheduled run is under way."""
        give_up = time.monotonic() + PATIENCE
        while not self._runs(StateType.RUNNING):
            assert time.monotonic() < give_up, "no scheduled run began"
            time.sleep(POLL_SECONDS)

    def await_finished(self, cutoff: datetime, give_up: float) -> bool:
        """Whether a scheduled run of the cutoff is Completed before `give_up`, an instant of the monotonic clock."""
        while not self.has_finished(cutoff):
            if time.monotonic() > give_up:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def has_finished(self, cutoff: datetime) -> bool:
        """Whether a scheduled run of the cutoff is Completed."""
        runs = self._runs(StateType.COMPLETED)
        return any(str(run.parameters.get("cutoff")) == cutoff.isoformat() for run in runs)

    def seconds_of(self, cutoff: datetime) -> float:
        """How long a run is Running that nobody disturbs."""
        with self.scheduled(cutoff):
            self.await_running()
            begin = time.monotonic()
            assert self.await_finished(cutoff, begin + PATIENCE), "the first turn did not end"
            return time.monotonic() - begin

    def _runs(self, state: StateType) -> list[FlowRun]:
        with self._client() as client:
            deployment = client.read_deployment_by_name(LOOP)
            runs = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
            )
        return [run for run in runs if run.state_type is state]

    @contextmanager
    def _client(self) -> Iterator[SyncPrefectClient]:
        api = f"http://127.0.0.1:{self.wanted.server_port}/api"
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            yield client


if __name__ == "__main__":
    typer.run(main)
