"""Make the deployments of ``prefect.yaml`` on a server, and take the runs of the pool in again."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import Transient
from flows.gone import end_gone_runs
from flows.provision import POOL, provide
from flows.stack.deployments import deployments_of, file_of, tag_of
from flows.stack.environment import ROOT
from flows.stack.every import every_deployment
from flows.stack.homes import Served
from flows.stack.processes import last_line
from flows.stack.worker import worker_name
from flows.workspace import Workspace

FILE = ROOT / "prefect.yaml"
DEPLOY_SECONDS = 300.0
"""Every flow is imported once, with the libraries of its stages: half a minute on one busy core."""


def deploy(workspace: Workspace, api: str, variables: Mapping[str, str], log: Path, made: str | None) -> str:
    """Pool, slot, automation and deployments; a digest of what they were made of.

    Deployments that were made of the same already are left as they are: somebody may have paused a schedule.

    Raises
    ------
    Transient
        If the server does not take them; with the last line of what it said.
    """
    digest = _digest(FILE.read_text(), workspace.root)
    with temporary_settings({PREFECT_API_URL: api}):
        there = {deployment.name for deployment in _prepared(None)}
    if digest != made or not _named() <= there:
        _deploy_all(FILE, variables, log)
    return digest


def deploy_homes(
    served: Served, api: str, variables: Mapping[str, str], log: Path, made: Mapping[str, str]
) -> dict[str, str]:
    """The same for many homes: a set of deployments for each, and none for homes that are no longer in the file.

    A home that cannot be served keeps what it has.

    Returns
    -------
    Name of the home -> digest of what its deployments were made of.
    """
    template = yaml.safe_load(FILE.read_text())
    digests = {
        home.name: _digest(json.dumps(deployments_of(home, number, template)), home.folder)
        for number, home in enumerate(served.homes.homes)
    }
    with temporary_settings({PREFECT_API_URL: api}):
        there = Counter(deployment.name for deployment in _prepared(served))
    new = [
        (number, home)
        for number, home in enumerate(served.homes.homes)
        if home in served.sound and not (digests[home.name] == made.get(home.name) and there[home.name])
    ]
    if new:
        file = log.with_name("deployments.yaml")
        file.write_text(yaml.safe_dump(file_of(new, template), sort_keys=False))
        _deploy_all(file, variables, log)
        with temporary_settings({PREFECT_API_URL: api}):
            provide(served.homes)  # so that the server refuses what these flows do not take
    return {**made, **{home.name: digests[home.name] for home in served.sound}}


def _prepared(served: Served | None) -> list[DeploymentResponse]:
    """The deployments that are there, once the server has what they need and takes runs again."""
    provide(None if served is None else served.homes)
    with get_client(sync_client=True) as client:
        end_gone_runs(client, worker_name())
        client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))
        every = every_deployment(client, POOL)
        if served is None:
            return every
        known = {home.name for home in served.homes.homes}
        for one in every:
            if one.name not in known and tag_of(one.name) in one.tags:
                client.delete_deployment(one.id)
        return [one for one in every if one.name in known]


def _deploy_all(file: Path, variables: Mapping[str, str], log: Path) -> None:
    words = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    with log.open("wb") as said:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=DEPLOY_SECONDS,
            check=False,
        )
    if done.returncode:
        raise Transient(f"the deployments could not be made: {last_line(log)}; see {log}")


def _named() -> set[str]:
    """Names of the deployments that there should be."""
    return {str(one["name"]) for one in yaml.safe_load(FILE.read_text())["deployments"]}


def _digest(told: str, home: Path) -> str:
    """What deployments are made of: what is said of them, where the code lies, and the home they work in."""
    return hashlib.sha256(f"{told}\n{ROOT}\n{home}".encode()).hexdigest()
