"""One stack for the tests of this room: a home with a generation, and what `up` starts over it."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import (
    ConcurrencyLimitStrategy,
    ConcurrencyOptions,
    FlowRun,
)
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from flows.daily_loop import daily_loop
from flows.stack.down import down
from flows.stack.environment import ROOT
from flows.stack.record import Part, Role, Stack, read_stack
from flows.stack.up import Up, Wanted, up
from flows.workspace import Workspace, enter
from tests.conftest import TinySource
from tests.loop.test_loop import day, ingest

PATIENCE = 180.0
"""Seconds; a process imports what its stages need in ten on a quiet core, and in many times that on a busy one."""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What a question is answered with once that is true; fails after `patience` seconds."""
    give_up = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < give_up, "it did not come to that in time"
        time.sleep(0.2)
    return found


@dataclass
class Raised:
    """A stack that is up, or was."""

    workspace: Workspace
    wanted: Wanted
    base: Path
    deployments: dict[str, UUID] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.workspace.root

    @property
    def stack(self) -> Stack:
        return read_stack(self.workspace)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.wanted.server_port}/api"

    def up(self) -> Up:
        return up(self.workspace, self.wanted)

    def part(self, role: Role) -> Part:
        part = self.stack.part(role)
        assert part is not None
        return part

    def ask(self, question: Callable[[SyncPrefectClient], Any]) -> Any:
        """What the server says."""
        with temporary_settings({PREFECT_API_URL: self.api}), get_client(sync_client=True) as client:
            return question(client)

    def run(self, name: str, at: datetime | None = None, **parameters: Any) -> UUID:
        """Ask for a run of a deployment, such as ``daily-loop/daily-loop``; its id."""
        state = Scheduled(scheduled_time=at) if at else None

        def asked(client: SyncPrefectClient) -> UUID:
            deployment = self.deployments.get(name) or client.read_deployment_by_name(name).id
            made: FlowRun = client.create_flow_run_from_deployment(deployment, parameters=parameters, state=state)
            return made.id

        found: UUID = self.ask(asked)
        return found

    def read(self, run: UUID) -> FlowRun:
        found: FlowRun = self.ask(lambda client: client.read_flow_run(run))
        return found

    def ended(self, run: UUID) -> FlowRun:
        """The run, when it has ended."""
        return until(lambda: (found := self.read(run)).state and found.state.is_final() and found)

    def deploy_like(self, name: str, entrypoint: str) -> str:
        """A second deployment like one that is there, of another entry point; what to ask for."""

        def made(client: SyncPrefectClient) -> UUID:
            like = client.read_deployment_by_name(name)
            return client.create_deployment(
                flow_id=like.flow_id,
                name=entrypoint.rpartition(":")[2],
                entrypoint=entrypoint,
                parameters=like.parameters,
                parameter_openapi_schema=like.parameter_openapi_schema,
                pull_steps=like.pull_steps,
                work_pool_name=like.work_pool_name,
                work_queue_name=like.work_queue_name,
                job_variables=like.job_variables,
                concurrency_limit=1,
                concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            )

        self.deployments[entrypoint] = self.ask(made)
        return entrypoint

    def reset(self) -> None:
        """The home as it was after its first generation, beside what the stack keeps there."""
        for path in self.home.iterdir():
            if path.name not in ("logs", "prefect", "stack.json", ".lock"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.base.iterdir():
            if path.name not in ("prefect", ".lock"):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, self.home / path.name)

    def kill_worker(self) -> None:
        """The worker and every process it started are gone at once, as when the kernel runs out of memory."""
        process = self.part(Role.WORKER).process()
        assert process is not None
        kill([*process.children(recursive=True), process])


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, all of them."""
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    _, left = psutil.wait_procs(processes, timeout=20)
    assert not left


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Path:
    """A home whose first generation knows four days; for copying."""
    home = tmp_path_factory.mktemp("stack") / "base"
    ingest(home, tiny, tiny.frame)
    daily_loop(str(home), day(4))
    return home


def still(client: SyncPrefectClient) -> None:
    """Nothing but what a test asks for: schedules go on in the middle of one."""
    for deployment in client.read_deployments():
        client.pause_deployment(deployment.id)


@pytest.fixture(scope="session")
def raised(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raised]:
    """A stack over a copy of that home, with a worker that looks every second; taken down in the end."""
    home = tmp_path_factory.mktemp("raised") / "home"
    shutil.copytree(base, home)
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PYTHONPATH": str(ROOT)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quick.items():
            patch.setenv(name, value)
        made = Raised(enter(home), Wanted(free_port(), free_port()), base)
        try:
            made.up()
            made.ask(still)
            yield made
        finally:
            down(made.workspace, 0.0)
