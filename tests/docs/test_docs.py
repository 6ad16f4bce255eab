"""What the documents say is true: their commands run, their settings exist."""

import os
import pkgutil
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pandas as pd
import pytest
import yaml

from components.settings import Settings
from flows.cli.commands import app
from tests.conftest import TinySource
from tests.docs.settings_page import PAGE, settings_page

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """Fenced code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_the_page_of_settings_says_what_the_settings_say() -> None:
    assert PAGE.read_text() == settings_page()
    bare = re.findall(r"^\| `\w+` \| .* \|  \|$", PAGE.read_text(), re.M)
    assert not bare, "every setting says what it means"
    for block in blocks(PAGE.read_text(), "toml"):
        Settings.model_validate(tomllib.loads(block))


def test_every_command_of_the_readme_exists_and_every_command_stands_in_it() -> None:
    named = {c.name or str(c.callback.__name__) for c in app.registered_commands if c.callback}
    assert named == set(re.findall(r"^\| `evercurrent ([a-z-]+)", README, re.M))


def test_every_folder_of_the_tree_exists_and_every_component_stands_in_it() -> None:
    tree = README.split("## The tree")[1]
    components = {p.name for p in (ROOT / "components").iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert components == set(re.findall(r"^  ([a-z_]+)/", tree, re.M))
    for folder in re.findall(r"^([a-z]+)/", tree, re.M):
        assert (ROOT / folder).is_dir()


def test_the_deployments_point_at_flows_that_exist_with_parameters_they_take() -> None:
    import inspect
    from importlib import import_module

    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        path, _, name = deployment["entrypoint"].partition(":")
        made = getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
        assert set(deployment["parameters"]) <= set(inspect.signature(made.fn).parameters)
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Path:
    """A folder with the log of the README's shop."""
    folder = tmp_path_factory.mktemp("shop")
    names = {"who": "customer", "what": "product", "liked": "clicked", "kinds": "category"}
    log = tiny.frame.rename(columns=names).assign(seen_at=pd.to_datetime(tiny.frame["when"], unit="s"))
    log["category"] = log["category"].str.partition("|")[0]
    log.drop(columns="when").to_csv(folder / "shop.csv", index=False)
    return folder


def environment() -> dict[str, str]:
    """As after `make setup`: the command on the path, nothing of the tests' own."""
    here = str(Path(sys.executable).parent)
    return {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")} | {
        "PATH": f"{here}:{os.environ['PATH']}"
    }


def run(block: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a block of the README as a person would."""
    words = ["bash", "-e", "-c", block]
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until_ready(port: int) -> None:
    """Until the service answers, or two minutes."""
    for _ in range(240):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail("the service did not become ready")


def test_the_readmes_own_log_becomes_generation_one_without_code(shop: Path) -> None:
    own_log = next(b for b in blocks(README, "sh") if "shop.toml" in b)
    done = subprocess.run(
        ["bash", "-e", "-c", own_log],
        cwd=shop,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "PROMOTE, champion is generation 1" in done.stdout.replace("\n", " ")
    assert (shop / "shop-home" / "pointers" / "champion.json").exists()


def test_the_readmes_curls_are_answered_and_the_next_turn_picks_them_up(shop: Path) -> None:
    assert (shop / "shop-home").exists(), "the block before this one makes the champion"
    port = free_port()
    words = [
        sys.executable,
        "-c",
        "from flows.cli.commands import main; main()",
        "serve",
        "--home",
        "shop-home",
        "--port",
    ]
    with (shop / "serve.log").open("w") as log:
        server = subprocess.Popen([*words, str(port)], cwd=shop, env=environment(), stdout=log, stderr=log)
    try:
        wait_until_ready(port)
        curls = next(b for b in blocks(README, "sh") if "/rank" in b).replace("3000", str(port))
        done = run(curls, shop)
        assert '"accepted":true' in done.stdout
    finally:
        server.terminate()
        server.wait(60)
    turn = run("evercurrent loop --home shop-home --json; evercurrent status --home shop-home --json", shop)
    assert '"requests": 1' in turn.stdout


def documents() -> list[Path]:
    """What people read, the dated log and the changelog apart: those speak of earlier names, too."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    return [path for path in found if path.name != "LOG.md"]


def test_every_file_that_a_document_names_exists() -> None:
    for document in documents():
        text = document.read_text()
        for name in re.findall(r"`((?:flows|components|bento|warehouse|tests|benchmarks|docs)/[\w/.-]*)`", text):
            assert (ROOT / name).exists(), f"{document.name} names {name}"
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_every_dotted_name_that_a_document_says_exists() -> None:
    # a file of a home has such a name, too: warehouse.duckdb, and its copies
    pattern = r"`(?:python -m )?((?:flows|components|bento|warehouse|tests|benchmarks)(?!(?:\.\d+)?\.duckdb)(?:\.\w+)+)"
    said = {(path.name, name) for path in documents() for name in re.findall(pattern, path.read_text())}
    assert len(said) > 10
    assert sorted((document, name) for document, name in said if not resolves(name)) == []


def test_every_room_stands_in_the_architecture() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [p for p in (ROOT / "components").iterdir() if (p / "__init__.py").exists()]
    missing = [p.name for p in rooms if f"components/{p.name}/" not in told]
    assert not missing


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = (ROOT / "docs" / "decisions" / "index.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"- [{title}]({page.name})" in listed
