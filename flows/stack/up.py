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
from flows.stack.homes import Served
from flows.stack.logs import keep_small, log_folder
from flows.stack.ports import LOOPBACK, check_free
from flows.stack.processes import await_answer, start
from flows.stack.record import Part, Role, Stack, read_stack, write_stack
from flows.workspace import Workspace

READY_SECONDS = 180.0
"""A server that makes its database on a busy core takes 30 seconds, a service that loads a large bundle as long."""


@dataclass(frozen=True)
class Wanted:
    """Where the parts are to answer, and what the server keeps its runs in (None: SQLite below the home).

    `served` None: one home, whose service answers on `service_port`.
    """

    server_port: int = 4200
    service_port: int = 3000
    database: str | None = None
    served: Served | None = None


@dataclass(frozen=True)
class Service:
    """A service that is wanted: from which home it answers, and where; `name` None where there is one home."""

    name: str | None
    workspace: Workspace
    port: int


@dataclass(frozen=True)
class Up:
    """What is up, which of it was started now, and whether the service has a generation to answer from."""

    stack: Stack
    began: frozenset[tuple[Role, str | None]]
    ready: bool

    @property
    def started(self) -> frozenset[Role]:
        """The roles of what was started now."""
        return frozenset(role for role, _ in self.began)


def up(workspace: Workspace, wanted: Wanted) -> Up:
    """Start what is missing; what runs already is left alone.

    Parameters
    ----------
    workspace : the home; of many homes, the stack's own folder.

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
        self.services = services_of(workspace, wanted)
        parts = [(Role.SERVER, None), *((Role.SERVICE, one.name) for one in self.services), (Role.WORKER, None)]
        self.missing = frozenset(part for part in parts if stack.running(*part) is None)
        server = stack.running(Role.SERVER)
        self.api = f"{server.url if server else _url(wanted.server_port)}/api"

    def all(self) -> Up:
        self._check()
        if self._is_missing(Role.SERVER):
            self._start(Role.SERVER, self._server_words(), _url(self.wanted.server_port))
        for one in self.services:
            if self._is_missing(Role.SERVICE, one.name):
                self._start_service(one)
        self._await(Role.SERVER, "/api/health")
        self._deploy()
        if self._is_missing(Role.WORKER):
            self._start(Role.WORKER, [sys.executable, "-m", "flows.stack.worker"])
        for one in self.services:
            self._await(Role.SERVICE, "/livez", one.name)
        self._await_worker()
        return Up(self.stack, self.missing, all(read_pointer(s.workspace.root) is not None for s in self.services))

    def _is_missing(self, role: Role, home: str | None = None) -> bool:
        return (role, home) in self.missing

    def _check(self) -> None:
        """Everything that can be refused is, before anything is started."""
        if self._is_missing(Role.SERVER):
            check_free(LOOPBACK, self.wanted.server_port, "--server-port")
            if self.wanted.database:
                check_database(self.wanted.database)
        for one in self.services:
            if self._is_missing(Role.SERVICE, one.name):
                option = "--service-port" if one.name is None else f"service_port of {one.name}"
                check_free(LOOPBACK, one.port, option)

    def _start(self, role: Role, words: list[str], url: str | None = None) -> None:
        log = log_folder(self.workspace) / f"{role}.log"
        told = self._variables() | (service_variables(self.workspace) if role is Role.SERVICE else {})
        self._keep(self.stack.with_part(start(role, words, told, log, url)))

    def _start_service(self, one: Service) -> None:
        log = log_folder(self.workspace) / f"{'-'.join(filter(None, (Role.SERVICE, one.name)))}.log"
        named = ["serve", "bento.service:Evercurrent", "--host", LOOPBACK, "--port", str(one.port)]
        variables = self._variables() if one.name is None else environment(one.workspace, self.api)
        words = [sys.executable, "-m", "bentoml", *named]
        made = start(Role.SERVICE, words, variables, log, _url(one.port))
        self._keep(self.stack.with_part(made.model_copy(update={"home": one.name})))

    def _variables(self) -> dict[str, str]:
        service, served = self.stack.running(Role.SERVICE), self.wanted.served
        told = environment(self.workspace, self.api, self.wanted.database, None if served is None else served.file)
        return told if service is None else {REPORTS: f"{service.url}/reports"} | told

    def _server_words(self) -> list[str]:
        named = ["server", "start", "--host", LOOPBACK, "--port", str(self.wanted.server_port)]
        return [sys.executable, "-m", "prefect", *named]

    def _await(self, role: Role, path: str, home: str | None = None) -> None:
        part = self._part(role, home)
        await_answer(part, answering(f"{part.url}{path}"), READY_SECONDS)

    def _deploy(self) -> None:
        from flows.stack.deploy import deploy, deploy_homes  # brings Prefect with it: not before its server answers

        log, variables = log_folder(self.workspace) / "deploy.log", self._variables()
        if self.wanted.served is None:
            made = deploy(self.workspace, self.api, variables, log, self.stack.deployed)
            self._keep(self.stack.model_copy(update={"deployed": made}))
        else:
            by_name = deploy_homes(self.wanted.served, self.api, variables, log, self.stack.homes)
            self._keep(self.stack.model_copy(update={"homes": by_name}))

    def _await_worker(self) -> None:
        from flows.stack.worker_state import has_reported

        part = self._part(Role.WORKER)
        await_answer(part, lambda: has_reported(self.api, part.began), READY_SECONDS)

    def _part(self, role: Role, home: str | None = None) -> Part:
        part = self.stack.part(role, home)
        assert part is not None, f"the {role} was started or ran"
        return part

    def _keep(self, stack: Stack) -> None:
        self.stack = stack
        write_stack(self.workspace, stack)


def services_of(workspace: Workspace, wanted: Wanted) -> tuple[Service, ...]:
    """The services of a stack: of one home the one, of many those that the file gives a port."""
    if wanted.served is None:
        return (Service(None, workspace, wanted.service_port),)
    homes = wanted.served.sound
    return tuple(Service(h.name, h.workspace, h.service_port) for h in homes if h.service_port is not None)


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
