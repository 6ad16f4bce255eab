"""Replays side by side: here or on a cluster, each ends in a way of its own, and comes to the same digest."""

import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.client.orchestration import get_client

import flows.engine
from components.domain import ContractBroken, Transient
from components.engine import EngineSettings
from flows.engine.side_by_side import side_by_side
from flows.replay.job import Ended, Job
from tests.conftest import TinySource
from tests.replay.records import played

LOCAL, RAY = EngineSettings(), EngineSettings(name="ray", workers=1, patience_seconds=200.0)


def jobs_in(folder: Path, *names: str, source: str = "nowhere") -> list[Job]:
    return [Job(name=name, home=folder / name, source=source, turns=2) for name in names]


def two_played_and_one_refused(folder: Path) -> list[Job]:
    jobs = jobs_in(folder, "first", "refused", "last")
    for job in (jobs[0], jobs[2]):
        played(job, [0.5, 0.6])
    return jobs


def ended_well_but_one(ended: Sequence[Ended]) -> None:
    assert [(one.name, one.code) for one in ended] == [("first", 0), ("refused", 3), ("last", 0)]
    assert ended[1].line.startswith("unknown source 'nowhere'")


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_that_fails_here_touches_no_other_and_each_is_told_of(tmp_path: Path, at_once: int) -> None:
    told: list[Ended] = []
    ended = side_by_side(tmp_path / "root", two_played_and_one_refused(tmp_path), LOCAL, None, at_once, told.append)
    ended_well_but_one(ended)
    assert sorted(one.name for one in told) == ["first", "last", "refused"]
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".lock"]


def on(patch: pytest.MonkeyPatch, does: Callable[[Path], None], error: Exception) -> None:
    """Instead of a cluster: one that does something in the folder of the jobs, and then fails."""

    def spread(name: str, work: object, folder: Path, shares: int, engine: object, names: Sequence[str]) -> None:
        assert (name, shares, len(names)) == ("replays", 3, 3)
        does(folder)
        raise error

    patch.setattr(flows.engine, "ray_tasks", SimpleNamespace(spread=spread), raising=False)


def test_a_job_whose_worker_died_is_told_by_what_the_cluster_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_and_last(folder: Path) -> None:
        for number, name in ((0, "a"), (2, "c")):
            (folder / f"{number}.json").write_text(Ended(name=name, code=0).model_dump_json())

    on(monkeypatch, first_and_last, Transient("a node was lost"))
    ended = side_by_side(tmp_path, jobs_in(tmp_path, "a", "b", "c"), RAY, None, 1, lambda _: None)
    assert [(one.name, one.code, one.line) for one in ended] == [
        ("a", 0, ""),
        ("b", 1, "a node was lost"),
        ("c", 0, ""),
    ]


def test_a_cluster_that_did_none_of_them_is_the_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, lambda folder: None, ContractBroken("lets nobody in"))
    with pytest.raises(ContractBroken, match="lets nobody in"):
        side_by_side(tmp_path, jobs_in(tmp_path, "a", "b", "c"), RAY, None, 1, lambda _: None)


def test_a_cluster_that_cannot_be_reached_is_said_in_a_line(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    away = EngineSettings(name="ray", address=address)
    with pytest.raises(Transient, match=f"no Ray cluster at {address}: .*; look at engine.address"):
        side_by_side(tmp_path, jobs_in(tmp_path, "a"), away, None, 1, lambda _: None)


@pytest.mark.long
def test_a_replay_comes_to_the_same_digest_on_a_cluster(tmp_path: Path, tiny: TinySource, prefect_server: None) -> None:
    pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
    digests = []
    with get_client(sync_client=True) as client:
        for engine in (LOCAL, RAY):
            jobs = [
                Job(name=name, home=tmp_path / engine.name / name, source=str(tiny.description), data=tiny.log, turns=1)
                for name in ("fm", "dcnv2")
            ]
            for job in jobs:
                job.home.mkdir(parents=True)
                job.workspace.settings.write_text(f'[ranker]\narchitecture = "{job.name}"\n')
            ended = side_by_side(tmp_path / engine.name, jobs, engine, str(client.api_url), 1, lambda _: None)
            assert [one.code for one in ended] == [0, 0], ended
            digests.append([json.loads(job.workspace.replay_record.read_bytes())["digest"] for job in jobs])
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[0][1]
