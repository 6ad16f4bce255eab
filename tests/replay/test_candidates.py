"""What is compared: settings on top of a home's own, each replayed in a home that nothing else made."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from components.domain import ContractBroken, Transient
from components.settings import read_settings
from flows.replay.candidates import Candidate, candidates, jobs_of
from flows.replay.job import Job
from flows.replay.recorded import Recorded, read_recorded
from flows.workspace import Workspace
from tests.conftest import TinySource

OWN = """
seed = 4
[ranker]
dropout = 0.1
[engine]
name = "ray"
[lake]
path = "../lake"
[log]
url = "redis://127.0.0.1/0"
[notify]
on = ["hold"]
"""


HOLD = [
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from flows.workspace import Workspace\n"
    "with Workspace(Path(sys.argv[1])).held(): print('held', flush=True); sys.stdin.read()",
]
"""Another process that has a home until its input ends."""


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "home")
    made.root.mkdir()
    return made


@pytest.fixture(scope="module")
def recorded(tiny: TinySource, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return read_recorded(Workspace(tmp_path_factory.mktemp("none")), tiny.description, tiny.log)


def test_a_candidate_has_what_the_home_sets_and_tells_nobody(home: Workspace) -> None:
    home.settings.write_text(OWN)
    (home.root / "slow.toml").write_text("[update]\ntable_rate = 0.01\n[ranker]\nembedding_size = 8\n")
    fm, slow = candidates(home, ["fm"], [home.root / "slow.toml"])
    assert (fm.name, slow.name) == ("fm", "slow")
    assert fm.told == {"seed": 4, "ranker": {"dropout": 0.1, "architecture": "fm"}}
    assert slow.told == {"seed": 4, "ranker": {"dropout": 0.1, "embedding_size": 8}, "update": {"table_rate": 0.01}}


def test_what_is_no_candidate_is_refused_in_a_line(home: Workspace) -> None:
    (home.root / "fm.toml").write_text("[ranker]\ndepth = 3\n")
    (home.root / "cut.toml").write_text("[ranker\n")
    bad: dict[str, tuple[list[str], list[Path]]] = {
        r"--architectures xgboost: ranker.architecture: Input should be 'auto', .*; received 'xgboost'": (
            ["fm", "xgboost"],
            [],
        ),
        "fm is named 2 times; allowed is one candidate of a name": (["fm", "deepfm", "fm"], []),
        "fm is named 2 times": (["fm"], [home.root / "fm.toml"]),
        r"fm.toml: ranker.depth: Extra inputs are not permitted; received 3; see docs/settings.md": (
            [],
            [home.root / "fm.toml"],
        ),
        "cut.toml is not TOML": ([], [home.root / "cut.toml"]),
        r"none.toml: No such file or directory; a file of settings is wanted": ([], [home.root / "none.toml"]),
    }
    for line, (architectures, files) in bad.items():
        with pytest.raises(ContractBroken, match=line) as refused:
            candidates(home, architectures, files)
        assert "\n" not in str(refused.value)


def one(root: Path, recorded: Recorded, told: dict[str, object] | None = None, turns: int = 2) -> Job:
    (job,) = jobs_of(root, [Candidate("fm", told or {"seed": 1})], recorded, None, turns)
    return job


def test_a_home_made_of_the_same_goes_on_and_one_of_something_else_is_made_anew(
    tmp_path: Path, recorded: Recorded
) -> None:
    job = one(tmp_path, recorded)
    assert tomllib.loads(job.workspace.settings.read_text()) == {"seed": 1}
    assert read_settings(job.workspace.settings).engine.name == "local"
    (job.home / "played").touch()
    assert one(tmp_path, recorded, turns=1).home == job.home and (job.home / "played").exists(), "turns are resumed"
    one(tmp_path, recorded, {"seed": 2})
    assert not (job.home / "played").exists()
    assert tomllib.loads(job.workspace.settings.read_text()) == {"seed": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["fm"]


def test_what_no_comparison_made_is_not_taken_away_and_neither_is_one_at_work(
    tmp_path: Path, recorded: Recorded
) -> None:
    (tmp_path / "fm").mkdir()
    (tmp_path / "fm" / "mine").touch()
    with pytest.raises(ContractBroken, match=r"fm holds something that no comparison made; move it away"):
        one(tmp_path, recorded)
    assert (tmp_path / "fm" / "mine").exists()
    job = one(tmp_path / "other", recorded)
    holder = subprocess.Popen([*HOLD, str(job.home)], stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Transient, match="another run is using"):
            one(tmp_path / "other", recorded, {"seed": 2})
    finally:
        holder.communicate("")
    assert job.workspace.settings.exists()


@pytest.mark.parametrize("turns", [0, 99])
def test_turns_that_the_log_does_not_have_are_refused_before_anything_is_made(
    tmp_path: Path, recorded: Recorded, turns: int
) -> None:
    with pytest.raises(ContractBroken, match=f"--turns is {turns}; tiny allows 1 to 3"):
        one(tmp_path / "none", recorded, turns=turns)
    assert not (tmp_path / "none").exists()
