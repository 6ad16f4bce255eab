"""Make the deployments of ``prefect.yaml`` on a server, and take the runs of the pool in again."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import Transient
from flows.gone import end_gone_runs
from flows.provision import POOL, provision
from flows.stack.environment import ROOT
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
    digest = _digest(workspace)
    with temporary_settings({PREFECT_API_URL: api}):
        provision()
        with get_client(sync_client=True) as client:
            end_gone_runs(client, worker_name())
            client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))
            there = {deployment.name for deployment in client.read_deployments()}
    if digest != made or not _named() <= there:
        _deploy_all(variables, log)
    return digest


def _deploy_all(variables: Mapping[str, str], log: Path) -> None:
    words = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(FILE)]
    with log.open("wb") as file:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=DEPLOY_SECONDS,
            check=False,
        )
    if done.returncode:
        raise Transient(f"the deployments could not be made: {last_line(log)}; see {log}")


def _named() -> set[str]:
    """Names of the deployments that there should be."""
    return {str(one["name"]) for one in yaml.safe_load(FILE.read_text())["deployments"]}


def _digest(workspace: Workspace) -> str:
    """What deployments are made of: the file, where the code lies, and the home they work in."""
    said = f"{FILE.read_text()}\n{ROOT}\n{workspace.root}"
    return hashlib.sha256(said.encode()).hexdigest()
