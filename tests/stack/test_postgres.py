"""The server on PostgreSQL: a throw-away cluster of Debian's own, a deployment through it, and the cluster away."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.postgres import BINARIES, Cluster
from components.domain import Transient
from flows.stack.down import down
from flows.stack.environment import ROOT
from flows.stack.up import Wanted
from flows.workspace import enter
from tests.stack.conftest import Raised, free_port, still

pytestmark = pytest.mark.skipif(not BINARIES, reason="no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """In a folder beside pytest's own: those are for one user alone, and every session closes them again."""
    with TemporaryDirectory(prefix="evercurrent-postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        made = Cluster(Path(name) / "cluster")
        try:
            yield made
        finally:
            made.stop()


def test_a_deployment_runs_against_it_and_when_it_is_away_up_says_so(
    base: Path, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copytree(base, tmp_path / "home")
    raised = Raised(enter(tmp_path / "home"), Wanted(free_port(), free_port(), cluster.url), base)
    try:
        raised.up()
        raised.ask(still)
        run = raised.ended(raised.run("refresh-memory/refresh-memory"))
        assert run.state and run.state.is_completed(), run.state
        assert not (raised.home / "prefect" / "prefect.db").exists(), "nothing is kept in SQLite"
        assert "throwaway" not in (raised.home / "stack.json").read_text()
    finally:
        down(raised.workspace, 0.0)
    assert not any("throwaway" in log.read_text() for log in (raised.home / "logs").glob("*.log"))
    cluster.stop()
    try:
        with pytest.raises(Transient, match=f"database of --database-url at 127.0.0.1:{cluster.port} does not answer"):
            raised.up()
    finally:
        cluster.start()
