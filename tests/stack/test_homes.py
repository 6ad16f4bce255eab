"""Many homes from one file: what is refused, what is said of one home alone, and which deployments they get."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.events import Resource, ResourceSpecification
from typer.testing import CliRunner

from components.domain import ContractBroken
from flows.cli.commands import app
from flows.drift_watch import OPEN
from flows.stack.deployments import NOT_FOR_MANY, TURNS, deployments_of, file_of
from flows.stack.environment import ROOT
from flows.stack.homes import Home, fault_of, read_homes, served
from flows.stack.record import Part, Role, Stack, write_stack
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.loop.test_loop import ingest

TEMPLATE: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
ONE = '[[homes]]\nname = "shop"\nfolder = "shop-home"\n'

BAD = {
    "turns = 2\n" + ONE: "turns: Extra inputs are not permitted; received 2",
    ONE + 'colour = "red"\n': r"homes\.0\.colour: Extra inputs are not permitted; received 'red'",
    "turns_at_once = 0\n" + ONE: "turns_at_once: Input should be greater than or equal to 1; received 0",
    ONE + '[homes.backfill]\nlog = "x"\n': r"homes\.0\.backfill\.source: Field required",
    '[engine]\nname = "spark"\n' + ONE: r"engine\.name: Input should be 'local' or 'ray'; received 'spark'",
    "": "homes: Field required",
    "homes = []": "homes: Tuple should have at least 1 item",
    "[[homes]]\nname = ": "is not TOML: Invalid value",
    '[[homes]]\nname = "Shop One"\nfolder = "a"\n': r"homes\.0\.name: String should match pattern",
    '[[homes]]\nname = "shop"\n': r"homes\.0\.folder: Field required",
    ONE + 'schedule = "every night"\n': r"homes\.0\.schedule: Value error, .*; received 'every night'",
    ONE + "service_port = 70000\n": r"homes\.0\.service_port: Input should be less than or equal to 65535",
    ONE + ONE.replace("shop-home", "other"): "name shop is named 2 times; each home needs its own",
    ONE + ONE.replace('"shop"', '"films"').replace("shop-home", "./x/../shop-home"): "folder .*/shop-home is named 2",
    'stack = "shop-home"\n' + ONE: r"shop-home is named 2 times \(the stack's own folder among them\)",
    (ONE + "service_port = 3001\n") * 2: "name shop is named 2 times",
    ONE
    + "service_port = 3001\n"
    + '[[homes]]\nname = "b"\nfolder = "b"\nservice_port = 3001\n': "service_port 3001 is",
}
"""A file, and what is said of it."""


def written(folder: Path, text: str) -> Path:
    path = folder / "homes.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "says"), BAD.items(), ids=range(len(BAD)))
def test_a_file_that_is_wrong_is_refused_in_one_line_that_names_it(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ContractBroken, match=says) as refused:
        read_homes(written(tmp_path, text))
    assert "\n" not in str(refused.value) and str(tmp_path / "homes.toml") in str(refused.value)


def test_a_file_that_is_missing_or_a_folder_or_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ContractBroken, match=says):
            read_homes(path)
    (tmp_path / "homes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ContractBroken, match="is not TOML"):
        read_homes(tmp_path / "homes.toml")


def test_paths_begin_at_the_file_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    written(tmp_path / "etc", ONE.replace("shop-home", "../shop-home"))
    monkeypatch.chdir(tmp_path)
    made = read_homes(Path("etc/homes.toml"))
    assert made.homes[0].folder == tmp_path / "shop-home"
    assert made.stack == tmp_path / "etc" / ".evercurrent-stack"


def test_a_home_that_cannot_be_served_is_named_in_one_line_and_the_others_are(tmp_path: Path, tiny: TinySource) -> None:
    names = ("sound", "gone", "empty", "settings", "source")
    for name in names:
        if name not in ("gone", "empty"):
            ingest(tmp_path / name, tiny, tiny.frame.head(50))
    (tmp_path / "empty").mkdir()
    (tmp_path / "settings" / "evercurrent.toml").write_text("[nonsense]\n")
    (tmp_path / "source" / "source.toml").write_text("name = 1\n")
    text = "".join(f'[[homes]]\nname = "{name}"\nfolder = "{name}"\n' for name in names)
    found = served(written(tmp_path, text))
    assert [home.name for home in found.sound] == ["sound"]
    says = {
        "gone": "is gone",
        "empty": "holds no log yet",
        "settings": "nonsense: Extra inputs",
        "source": "source.toml",
    }
    assert set(found.faults) == set(says)
    assert all(says[name] in fault and "\n" not in fault for name, fault in found.faults.items())
    assert not (tmp_path / "gone").exists(), "looking at a home does not make it"
    text = text.replace('[[homes]]\nname = "sound"\nfolder = "sound"\n', "")
    with pytest.raises(ContractBroken, match="no home of it can be served; the first, gone: its folder"):
        served(written(tmp_path, text))
    assert fault_of(Home(name="sound", folder=tmp_path / "sound")) is None


HOMES = [Home(name=name, folder=Path("/srv") / name, service_port=port) for name, port in (("a", 3001), ("b", None))]


def test_every_home_has_the_deployments_of_one_under_its_own_name_and_for_its_own_folder() -> None:
    made = file_of(list(enumerate(HOMES)), TEMPLATE)
    wanted = [one["entrypoint"] for one in TEMPLATE["deployments"] if one["name"] not in NOT_FOR_MANY]
    for home in HOMES:
        mine = [one for one in made["deployments"] if one["name"] == home.name]
        assert [one["entrypoint"] for one in mine] == wanted
        assert {one["parameters"]["home"] for one in mine} == {str(home.folder)}
        assert all(f"home:{home.name}" in one["tags"] for one in mine)
        assert all(one["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"} for one in mine)
        told = [one["work_pool"]["job_variables"]["env"] for one in mine]
        assert {env["BENTOML_HOME"] for env in told} == {f"/srv/{home.name}/bentoml"}
    assert "provisioned" not in yaml.safe_dump(made), "no step of the file is run, so none is asked for its result"
    assert yaml.safe_load(yaml.safe_dump(made)) == made


def test_only_turns_stand_in_the_queue_that_has_a_limit_and_short_runs_of_homes_begin_apart() -> None:
    a, b = (deployments_of(home, number, TEMPLATE) for number, home in enumerate(HOMES))
    assert [one["entrypoint"] for one in a if one["work_pool"]["work_queue_name"] == TURNS] == [
        "flows/daily_loop.py:daily_loop"
    ]
    lines = [{one["entrypoint"]: one["schedules"][0]["cron"] for one in made if one["schedules"]} for made in (a, b)]
    assert [entry for entry in lines[0] if lines[0][entry] == lines[1][entry]] == ["flows/daily_loop.py:daily_loop"]


def test_an_event_about_one_home_starts_nothing_in_another() -> None:
    for home in HOMES:
        triggers = [t for one in deployments_of(home, 0, TEMPLATE) for t in one.get("triggers", ())]
        assert len(triggers) == 2
        for trigger in triggers:
            waits_for = ResourceSpecification.model_validate(trigger["match"])
            about = {
                other.name: {"prefect.resource.id": OPEN, "evercurrent.home": str(other.folder)} for other in HOMES
            }
            starts = [name for name, labels in about.items() if waits_for.matches(Resource.model_validate(labels))]
            assert starts == [home.name]


def asked(*words: str) -> tuple[int, str]:
    """Exit code and stdout of a command."""
    ended = CliRunner().invoke(app, list(words), standalone_mode=False)
    assert ended.exception is None, ended.exception
    return int(ended.return_value or 0), ended.stdout


def test_the_status_of_all_has_a_row_for_a_home_that_never_ran_and_a_code_where_one_is_gone(
    tmp_path: Path, tiny: TinySource
) -> None:
    ingest(tmp_path / "new", tiny, tiny.frame.head(50))
    new = '[[homes]]\nname = "new"\nfolder = "new"\n'
    code, said = asked("status", "--all", "--homes", str(written(tmp_path, new)))
    assert code == 0 and "never" in said and "no turn has ended yet" in said
    code, said = asked("status", "--all", "--json", "--homes", str(written(tmp_path, new + ONE)))
    rows = {home["name"]: home for home in json.loads(said)["homes"]}
    assert code == 7
    assert rows["new"]["faults"] == [] and rows["new"]["last"] is None and rows["new"]["champion"] is None
    assert rows["shop"]["faults"] == [fault_of(Home(name="shop", folder=tmp_path / "shop-home"))]
    assert not (tmp_path / "shop-home").exists() and not (tmp_path / ".evercurrent-stack").exists()


def test_a_stack_whose_parts_have_died_needs_somebody_and_the_homes_are_told_all_the_same(
    tmp_path: Path, tiny: TinySource
) -> None:
    ingest(tmp_path / "new", tiny, tiny.frame.head(50))
    path = written(tmp_path, '[[homes]]\nname = "new"\nfolder = "new"\nservice_port = 3001\n')
    (tmp_path / ".evercurrent-stack").mkdir()
    dead = {"pid": 2**22, "mark": "m", "began": 0.0, "url": "http://127.0.0.1:1", "log": "some.log"}
    stack = Stack().with_part(Part(role=Role.SERVER, **dead)).with_part(Part(role=Role.SERVICE, home="new", **dead))
    write_stack(Workspace(tmp_path / ".evercurrent-stack"), stack)
    code, said = asked("status", "--all", "--json", "--homes", str(path))
    told = json.loads(said)
    assert code == 7
    assert [fault.partition(" (")[0] for fault in told["faults"][:2]] == ["the server", "the service of new"]
    assert "http://127.0.0.1:1/api does not answer" in told["faults"][2]
    assert told["homes"][0]["service"] == "not ready" and told["homes"][0]["faults"] == []


def test_parts_of_several_homes_are_told_apart(tmp_path: Path) -> None:
    def part(role: Role, home: str | None, pid: int) -> Part:
        return Part(role=role, home=home, pid=pid, mark="m", began=0.0, log="x.log")

    stack = Stack().with_part(part(Role.SERVICE, "a", 1)).with_part(part(Role.SERVICE, "b", 2))
    stack = stack.with_part(part(Role.SERVICE, "a", 3)).with_part(part(Role.SERVICE, None, 4))
    assert {one.home: one.pid for one in stack.parts} == {"a": 3, "b": 2, None: 4}
    assert [one.home for one in stack.without(Role.SERVICE, "a").parts] == ["b", None]
