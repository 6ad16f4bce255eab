"""Bring the stack up: start what is missing of it, and wait until each part answers.

Server first, because the rest asks it; then the service, which answers before there is a generation (and says that
there is none); deployments; the worker last, when there is something to take.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from components.publish.pointer import read_pointer
from flows.log_stream import service_variables
from flows.stack.database import check_database
from flows.stack.environment import REPORTS, environment
from flows.stack.logs import keep_small, log_folder
from flows.stack.ports import LOOPBACK, check_free
from flows.stack.processes import await_answer, start
from flows.stack.record import Part, Role, Stack, read_stack, write_stack
from flows.workspace import Workspace

READY_SECONDS = 180.0
"""A server that makes its database on a busy core takes 30 seconds, a service that loads a large bundle as long."""


@dataclass(frozen=True)
class Wanted:
    """Where the parts are to answer, and what the server keeps its runs in (None: SQLite below the home)."""

    server_port: int = 4200
    service_port: int = 3000
    database: str | None = None


@dataclass(frozen=True)
class Up:
    """What is up, which of it was started now, and whether the service has a generation to answer from."""

    stack: Stack
    started: frozenset[Role]
    ready: bool


def up(workspace: Workspace, wanted: Wanted) -> Up:
    """Start what is missing; what runs already is left alone.

    Raises
    ------
    Transient
        If a port is taken, the database does not answer, or a part does not become ready. What was started stays, and
        `down` ends it.
    ContractBroken
        If the database is none.
    """
    keep_small(log_folder(workspace))
    return _Raising(workspace, wanted, read_stack(workspace)).all()


class _Raising:
    """One `up` under way: the record grows with every part, so that nothing that was started is ever unknown."""

    def __init__(self, workspace: Workspace, wanted: Wanted, stack: Stack) -> None:
        self.workspace, self.wanted, self.stack = workspace, wanted, stack
        self.missing = frozenset(role for role in Role if stack.running(role) is None)
        server = stack.running(Role.SERVER)
        self.api = f"{server.url if server else _url(wanted.server_port)}/api"

    def all(self) -> Up:
        self._check()
        if Role.SERVER in self.missing:
            self._start(Role.SERVER, self._server_words(), _url(self.wanted.server_port))
        if Role.SERVICE in self.missing:
            self._start(Role.SERVICE, self._service_words(), _url(self.wanted.service_port))
        self._await(Role.SERVER, "/api/health")
        self._deploy()
        if Role.WORKER in self.missing:
            self._start(Role.WORKER, [sys.executable, "-m", "flows.stack.worker"])
        self._await(Role.SERVICE, "/livez")
        self._await_worker()
        return Up(self.stack, self.missing, read_pointer(self.workspace.root) is not None)

    def _check(self) -> None:
        """Everything that can be refused is, before anything is started."""
        if Role.SERVER in self.missing:
            check_free(LOOPBACK, self.wanted.server_port, "--server-port")
            if self.wanted.database:
                check_database(self.wanted.database)
        if Role.SERVICE in self.missing:
            check_free(LOOPBACK, self.wanted.service_port, "--service-port")

    def _start(self, role: Role, words: list[str], url: str | None = None) -> None:
        log = log_folder(self.workspace) / f"{role}.log"
        told = self._variables() | (service_variables(self.workspace) if role is Role.SERVICE else {})
        self._keep(self.stack.with_part(start(role, words, told, log, url)))

    def _variables(self) -> dict[str, str]:
        service = self.stack.running(Role.SERVICE)
        told = environment(self.workspace, self.api, self.wanted.database)
        return told if service is None else {REPORTS: f"{service.url}/reports"} | told

    def _server_words(self) -> list[str]:
        named = ["server", "start", "--host", LOOPBACK, "--port", str(self.wanted.server_port)]
        return [sys.executable, "-m", "prefect", *named]

    def _service_words(self) -> list[str]:
        named = ["serve", "bento.service:Evercurrent", "--host", LOOPBACK, "--port", str(self.wanted.service_port)]
        return [sys.executable, "-m", "bentoml", *named]

    def _await(self, role: Role, path: str) -> None:
        part = self._part(role)
        await_answer(part, answering(f"{part.url}{path}"), READY_SECONDS)

    def _deploy(self) -> None:
        from flows.stack.deploy import deploy  # brings Prefect with it: not before its server answers

        log = log_folder(self.workspace) / "deploy.log"
        made = deploy(self.workspace, self.api, self._variables(), log, self.stack.deployed)
        self._keep(self.stack.model_copy(update={"deployed": made}))

    def _await_worker(self) -> None:
        from flows.stack.worker_state import has_reported

        part = self._part(Role.WORKER)
        await_answer(part, lambda: has_reported(self.api, part.began), READY_SECONDS)

    def _part(self, role: Role) -> Part:
        part = self.stack.part(role)
        assert part is not None, f"the {role} was started or ran"
        return part

    def _keep(self, stack: Stack) -> None:
        self.stack = stack
        write_stack(self.workspace, stack)


def answering(url: str) -> Callable[[], bool]:
    """Whether something answers there with 200."""

    def answers() -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return answers


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
