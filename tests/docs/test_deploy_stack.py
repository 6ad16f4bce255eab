"""The manifest of the whole stack names what there is, and its parts find each other."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

import yaml

from bento.settings import PREFIX, ServiceSettings
from flows.provision import POOL
from flows.stack.database import check_database
from flows.stack.environment import LEASES
from tests.docs.test_deploy import DEPLOY, HOME, OTHERS, POSTGRES, ROOT, Yaml, compose, kubernetes

PARTS = ("service", "worker", "prefect", "postgres")


def objects() -> dict[tuple[str, str], Yaml]:
    """Kind and name -> object."""
    read = yaml.safe_load_all((DEPLOY / "kubernetes-stack.yaml").read_text())
    return {(o["kind"], o["metadata"]["name"]): o for o in read}


def pod(part: str) -> Yaml:
    """The pod of a part."""
    for made in objects().values():
        template = made["spec"].get("template")
        if template and template["metadata"]["labels"]["part"] == part:
            found: Yaml = template["spec"]
            return found
    raise AssertionError(part)


def container(part: str) -> Yaml:
    (only,) = pod(part)["containers"]
    found: Yaml = only
    return found


def variables(part: str) -> dict[str, str]:
    return {one["name"]: str(one.get("value", "")) for one in container(part)["env"]}


def selectors() -> Iterator[tuple[Yaml, Yaml]]:
    """What each workload selects, and what its pods are labelled."""
    for made in objects().values():
        if "template" in made["spec"]:
            yield made["spec"]["selector"]["matchLabels"], made["spec"]["template"]["metadata"]["labels"]


def test_every_variable_is_a_setting_of_somebody() -> None:
    from prefect.settings.legacy import Settings, _get_settings_fields

    known = {PREFIX + name.upper() for name in ServiceSettings.model_fields} | OTHERS | POSTGRES
    known |= set(_get_settings_fields(Settings)) | {"PREFECT_SERVER_UI_API_URL", "PGDATA"}
    assert {name for part in PARTS for name in variables(part)} <= known
    service = {name: value for name, value in variables("service").items() if name.startswith(PREFIX)}
    assert str(ServiceSettings.from_environment(service).home) == HOME == variables("worker")["EVERCURRENT_HOME"]


def test_the_parts_are_started_as_by_compose_and_as_without_a_server() -> None:
    services = compose()["services"]
    assert container("worker")["command"] == services["worker"]["command"]
    assert container("prefect")["command"] == services["prefect"]["command"]
    alone = kubernetes()["Deployment", "evercurrent"]["spec"]["template"]["spec"]["containers"][0]
    assert container("service")["command"] == alone["command"] == services["service"]["command"]
    assert {container(part)["image"] for part in PARTS[:3]} == {alone["image"]}
    assert container("postgres")["image"] == services["postgres"]["image"]
    modules = re.findall(r"python -m (\S+)", " ".join(container("worker")["command"]))
    assert modules and all(find_spec(module) for module in modules)
    pools = {d["work_pool"]["name"] for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    assert pools == {POOL}
    assert pod("worker")["hostname"], "a worker finds its own runs again by its machine's name"


def test_leases_lie_on_a_volume_and_runs_in_the_database_whose_name_is_a_service() -> None:
    told = variables("prefect")
    assert told["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] == LEASES
    assert find_spec(LEASES)
    mounts = {mount["name"]: mount["mountPath"] for mount in container("prefect")["volumeMounts"]}
    assert told["PREFECT_HOME"] == mounts["prefect"]
    url = told["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    check_database(re.sub(r"@[^/]*/", "@/", url))  # its scheme and its path; nobody answers here
    found = re.fullmatch(r"\S+://(\w+):\$\(POSTGRES_PASSWORD\)@([\w-]+):5432/(\w+)", url)
    assert found, "the password comes from the secret alone"
    user, host, database = found.groups()
    assert (user, database) == (variables("postgres")["POSTGRES_USER"], variables("postgres")["POSTGRES_DB"])
    assert ("Service", host) in objects()


def test_every_part_that_is_asked_has_a_service_that_reaches_its_pods() -> None:
    labels = [labels for _, labels in selectors()]
    assert all(selects == told for selects, told in selectors()) and len(labels) == 4
    for (kind, name), made in objects().items():
        if kind == "Service":
            part = made["spec"]["selector"]["part"]
            assert made["spec"]["selector"] in labels
            ports = {port["name"] for port in container(part)["ports"]}
            assert {port["targetPort"] for port in made["spec"]["ports"]} <= ports, name
    host = re.match(r"http://([\w-]+):(\d+)/api", variables("worker")["PREFECT_API_URL"])
    assert host and objects()["Service", host[1]]["spec"]["ports"][0]["port"] == int(host[2])


def test_every_volume_is_claimed_once_and_worker_and_service_share_the_home_and_a_node() -> None:
    claims = {name for kind, name in objects() if kind == "PersistentVolumeClaim"}
    used = {
        volume["persistentVolumeClaim"]["claimName"]
        for part in PARTS
        for volume in pod(part)["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert used == claims
    for part in ("service", "worker"):
        assert {"name": "home", "mountPath": HOME} in container(part)["volumeMounts"]
    (rule,) = pod("worker")["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["labelSelector"]["matchLabels"] == objects()["Service", "evercurrent"]["spec"]["selector"]
    whole = (DEPLOY / "kubernetes-stack.yaml").read_text()
    secrets = set(re.findall(r"create secret generic (\S+)", whole))
    assert secrets == set(re.findall(r"secretKeyRef: \{name: ([\w-]+)", whole)) | {"evercurrent-tokens"}
