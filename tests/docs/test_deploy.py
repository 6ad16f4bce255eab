"""The files in docs/deploy name what there is: ports, settings, commands, scopes, paths."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from bento.access import Tokens
from bento.openapi import NEEDED
from bento.settings import PREFIX, ServiceSettings
from flows.cli.commands import app
from flows.provision import POOL

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
OTHERS = {"BENTOML_HOME", "BENTOML_DO_NOT_TRACK", "DO_NOT_TRACK", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"}
POSTGRES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
HOME = "/srv/evercurrent/.evercurrent"
Yaml = dict[str, Any]


def compose() -> Yaml:
    read: Yaml = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def kubernetes() -> dict[tuple[str, str], Yaml]:
    """Kind and name -> object."""
    objects = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {(o["kind"], o["metadata"]["name"]): o for o in objects}


def pods() -> Iterator[Yaml]:
    """The pod of every object that has one."""
    for made in kubernetes().values():
        spec = made["spec"].get("jobTemplate", made).get("spec", {})
        if "template" in spec:
            yield spec["template"]["spec"]


def environments() -> Iterator[tuple[str, str]]:
    """Name and value of every variable."""
    for service in compose()["services"].values():
        yield from ((name, str(value)) for name, value in service.get("environment", {}).items())
    for pod in pods():
        for container in pod["containers"]:
            yield from ((e["name"], e["value"]) for e in container.get("env", []))
    env = re.search(r"^ENV (.*?)(?<!\\)$", (DEPLOY / "Dockerfile").read_text(), re.M | re.S)
    assert env
    yield from (
        (name, value) for name, _, value in (word.partition("=") for word in env[1].replace("\\\n", "").split())
    )


def commands() -> Iterator[list[str]]:
    yield from (service["command"] for service in compose()["services"].values() if "command" in service)
    for pod in pods():
        yield from (container["command"] for container in pod["containers"])


def test_every_variable_is_a_setting_of_somebody() -> None:
    from prefect.settings.legacy import Settings, _get_settings_fields

    known = {PREFIX + name.upper() for name in ServiceSettings.model_fields} | OTHERS | POSTGRES
    known |= set(_get_settings_fields(Settings)) | {"PREFECT_SERVER_UI_API_URL"}
    named = dict(environments())
    assert set(named) <= known
    assert {"EVERCURRENT_HOME", "EVERCURRENT_TOKENS", "PREFECT_SERVER_DATABASE_CONNECTION_URL"} <= set(named)
    settings = {name: value for name, value in environments() if name.startswith(PREFIX)}
    assert ServiceSettings.from_environment(settings).home == Path(HOME)


def test_every_command_exists() -> None:
    ours = {c.name or str(c.callback.__name__) for c in app.registered_commands if c.callback}
    said = list(commands())
    assert {words[1] for words in said if words[0] == "evercurrent"} == {"loop", "refresh-memory"} <= ours
    served = [words for words in said if "bentoml" in words]
    assert len(served) == 2
    for words in served:
        assert words[:5] == ["python", "-m", "bentoml", "serve", "bento.service:Evercurrent"]
        assert words[5:] == ["--host", "0.0.0.0", "--port", "3000"]


def test_the_worker_serves_the_pool_of_the_deployments() -> None:
    pools = {d["work_pool"]["name"] for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    said = " ".join(compose()["services"]["worker"]["command"])
    assert pools == {POOL}
    modules = re.findall(r"python -m (\S+)", said)
    assert modules == ["flows.provision", "flows.stack.worker"], "the first makes the pool, the second takes its runs"
    assert all(find_spec(module) for module in modules)
    assert compose()["services"]["worker"]["hostname"], "a worker finds its own runs again by its machine's name"


def test_ports_and_probes_are_those_of_the_service_and_open_to_this_machine_alone() -> None:
    services = compose()["services"]
    assert services["service"]["ports"] == ["127.0.0.1:3000:3000"]
    assert services["prefect"]["ports"] == ["127.0.0.1:4200:4200"]
    assert services["worker"]["environment"]["PREFECT_API_URL"] == "http://prefect:4200/api"
    pod = kubernetes()["Deployment", "evercurrent"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 3000}]
    probes = {p: container[p]["httpGet"] for p in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {p: probe["path"] for p, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert not {"/livez", "/readyz"} & set(NEEDED), "a probe has no token"


def test_one_pod_answers_and_all_share_one_volume_and_one_node() -> None:
    objects = kubernetes()
    deployment = objects["Deployment", "evercurrent"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    claim = objects["PersistentVolumeClaim", "evercurrent-home"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    for pod in pods():
        assert {"name": "home", "persistentVolumeClaim": {"claimName": "evercurrent-home"}} in pod["volumes"]
        assert all({"name": "home", "mountPath": HOME} in c["volumeMounts"] for c in pod["containers"])
        assert all("limits" in c["resources"] and "requests" in c["resources"] for c in pod["containers"])
    selector = objects["Service", "evercurrent"]["spec"]["selector"]
    assert selector == deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    for name in ("evercurrent-loop", "evercurrent-refresh-memory"):
        job = objects["CronJob", name]["spec"]
        near = job["jobTemplate"]["spec"]["template"]["spec"]["affinity"]["podAffinity"]
        (rule,) = near["requiredDuringSchedulingIgnoredDuringExecution"]
        assert rule["labelSelector"]["matchLabels"] == selector
        assert job["concurrencyPolicy"] == "Forbid"


def test_tokens_come_as_secrets() -> None:
    named = dict(environments())
    assert compose()["services"]["service"]["environment"]["EVERCURRENT_TOKENS"] == "/run/secrets/tokens"
    assert compose()["services"]["service"]["secrets"] == list(compose()["secrets"]) == ["tokens"]
    pod = kubernetes()["Deployment", "evercurrent"]["spec"]["template"]["spec"]
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert named["EVERCURRENT_TOKENS"] == f"{mounts['tokens']}/tokens"
    assert any("secret" in volume for volume in pod["volumes"])


def test_the_tokens_that_the_compose_file_says_how_to_make_are_tokens(tmp_path: Path) -> None:
    made = re.search(r'echo "(.*?) \$\(openssl rand -hex 24\)" > secrets/tokens', (DEPLOY / "compose.yaml").read_text())
    assert made
    (tmp_path / "tokens").write_text(f"{made[1]} {'ab' * 24}\n")
    assert Tokens.read(tmp_path / "tokens").allowed("ab" * 24) == {"rank", "outcome"}


def test_both_files_run_the_image_that_the_dockerfile_says_how_to_build() -> None:
    said = " ".join((DEPLOY / name).read_text() for name in ("compose.yaml", "kubernetes.yaml"))
    (image,) = set(re.findall(r"image: (evercurrent:\S+)", said))
    assert f"-t {image} ." in (DEPLOY / "Dockerfile").read_text()
