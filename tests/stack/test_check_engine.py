"""What the doctor says of the engine; of a cluster that can be reached: `tests.engine.test_ray_nodes`."""

import os
import socket
import sys
from pathlib import Path

import pytest

import flows.engine
from flows.stack.check_engine import check_engine
from flows.stack.doctor import OF_A_HOME
from flows.stack.finding import Finding
from flows.workspace import Workspace


def found(home: Path, settings: str) -> list[Finding]:
    (home / "evercurrent.toml").write_text(settings)
    return list(check_engine(Workspace(home)))


def on_ray(**more: object) -> str:
    said = {"name": "ray"} | more
    return "[engine]\n" + "".join(f"{name} = {value!r}\n" for name, value in said.items())


def test_a_home_that_computes_in_its_own_process_has_no_engine_to_look_at(tmp_path: Path) -> None:
    assert check_engine in OF_A_HOME
    assert list(check_engine(Workspace(tmp_path))) == []
    assert found(tmp_path, "[engine]\nname = 'nonsense'\n") == [], "the settings are looked at by another check"


def test_an_own_cluster_is_fine_unless_the_machine_has_too_few_processors(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
    there = os.cpu_count() or 1
    ((few,), (many,)) = (found(tmp_path, on_ray(workers=workers)) for workers in (there, there + 1))
    assert (few.level, many.level) == ("fine", "note")
    assert f"{there + 1} workers, {there} processors" in many.said


def test_a_cluster_that_cannot_be_reached_is_named_with_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="evercurrent[ray] is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for given, told in ((address, f"no Ray cluster at {address}: "), ("nonsense", "allowed are HOST:PORT, `auto` and")):
        (one,) = found(tmp_path, on_ray(address=given))
        assert (one.check, one.level) == ("engine", "mend")
        assert told in one.said and "\n" not in one.said and "evercurrent.toml" in one.mend


def test_an_engine_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "flows.engine.ray_cluster", raising=False)
    monkeypatch.delattr(flows.engine, "ray_cluster", raising=False)
    (one,) = found(tmp_path, on_ray())
    assert one.level == "mend" and "ray is not installed; install evercurrent[ray]" in one.said
