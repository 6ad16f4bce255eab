"""A backfill is for homes that hold nothing: what was filled, or holds anything else, is left alone."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.domain import ContractBroken
from flows.cli import backfill_command
from flows.cli.commands import app
from flows.cli.exit_codes import TO_MEND
from flows.replay.job import Ended, Job
from flows.stack.backfill import ASKED, begun, to_fill
from flows.stack.homes import Homes, read_homes
from tests.conftest import TinySource
from tests.loop.test_loop import ingest
from tests.replay.records import played
from tests.replay.test_candidates import HOLD


def homes_in(folder: Path, **logs: str) -> Homes:
    """A file of homes with what it says of each one's log."""
    return read_homes(written(folder, **logs))


def written(folder: Path, **logs: str) -> Path:
    text = "".join(f'[[homes]]\nname = "{name}"\nfolder = "{name}"\n{log}\n' for name, log in logs.items())
    (folder / "homes.toml").write_text(text)
    return folder / "homes.toml"


def recorded(tiny: TinySource, turns: str = "2") -> str:
    return f'[homes.backfill]\nsource = "{tiny.description}"\ndata = "{tiny.log}"\nturns = {turns}'


def test_every_empty_home_with_a_log_is_filled_and_paths_begin_at_the_file(tmp_path: Path, tiny: TinySource) -> None:
    (tmp_path / "mine.toml").write_bytes(tiny.description.read_bytes())
    (tmp_path / "log.parquet").touch()
    told = '[homes.backfill]\nsource = "mine.toml"\ndata = "log.parquet"'
    found = to_fill(homes_in(tmp_path, a=told, b=recorded(tiny), c=""))
    assert found.jobs == (
        Job(name="a", home=tmp_path / "a", source=str(tmp_path / "mine.toml"), data=tmp_path / "log.parquet"),
        Job(name="b", home=tmp_path / "b", source=str(tiny.description), data=tiny.log, turns=2),
    )
    assert (list(found.left_alone), found.faults) == (["c"], {})
    assert not (tmp_path / "a").exists(), "looking at a home does not make it"


def test_a_home_that_holds_a_log_is_left_alone(tmp_path: Path, tiny: TinySource) -> None:
    ingest(tmp_path / "a", tiny, tiny.frame.head(50))
    found = to_fill(homes_in(tmp_path, a=recorded(tiny)))
    assert (found.jobs, found.left_alone) == ((), {"a": "it holds a log already, which no backfill brought"})


def test_one_that_was_cut_off_goes_on_and_one_that_was_filled_is_left_alone(tmp_path: Path, tiny: TinySource) -> None:
    homes = homes_in(tmp_path, a=recorded(tiny))
    (job,), faults = begun(to_fill(homes).jobs)
    assert not faults
    job.workspace.source.write_bytes(tiny.description.read_bytes())
    assert to_fill(homes).jobs == (job,), "its replay had begun"
    more = homes_in(tmp_path, a=recorded(tiny, '"all"'))
    assert [one.turns for one in to_fill(more).jobs] == [None]
    played(job, [0.5, 0.6])
    for asked in (homes, more):
        found = to_fill(asked)
        assert (found.jobs, found.left_alone) == ((), {"a": "it was filled before"}), "it may have lived on since"


def test_what_keeps_a_home_from_being_filled_is_said_of_it_alone(tmp_path: Path, tiny: TinySource) -> None:
    begun(to_fill(homes_in(tmp_path, half=recorded(tiny))).jobs)
    other = '[homes.backfill]\nsource = "movietweetings"'
    nowhere, no_log = other.replace("movietweetings", "nowhere"), other + '\ndata = "none.parquet"'
    file = written(tmp_path, half=other, fine=recorded(tiny), nowhere=nowhere, lost=no_log, far=other)
    file.write_text(file.read_text().replace('folder = "far"', 'folder = "no/far"'))
    found = to_fill(read_homes(file))
    assert [job.name for job in found.jobs] == ["fine"]
    assert found.faults.pop("half").startswith(f"it is filled by half from {tiny.log}, received ")
    assert found.faults.pop("nowhere").startswith("unknown source 'nowhere'; allowed are")
    assert found.faults == {
        "lost": f"its recorded log {tmp_path / 'none.parquet'} is not there",
        "far": f"its folder {tmp_path / 'no/far'} cannot be made: there is no {tmp_path / 'no'}",
    }


def test_a_home_in_which_somebody_works_is_not_begun(tmp_path: Path, tiny: TinySource) -> None:
    jobs = to_fill(homes_in(tmp_path, a=recorded(tiny), b=recorded(tiny))).jobs
    (tmp_path / "a").mkdir()
    holder = subprocess.Popen([*HOLD, str(tmp_path / "a")], stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        sound, faults = begun(jobs)
    finally:
        holder.communicate("")
    assert [job.name for job in sound] == ["b"] and "another run is using" in faults["a"]
    assert not (tmp_path / "a" / ASKED).exists()


def test_a_home_that_was_filled_meanwhile_is_not_begun(tmp_path: Path, tiny: TinySource) -> None:
    jobs = to_fill(homes_in(tmp_path, a=recorded(tiny))).jobs
    ingest(tmp_path / "a", tiny, tiny.frame.head(50))
    assert begun(jobs) == ([], {"a": "it holds a log already, which no backfill brought"})


def test_the_command_fills_as_many_at_once_as_turns_and_ends_with_what_failed(
    tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def filled(homes: Homes, jobs: list[Job], quiet: bool) -> list[Ended]:
        assert quiet and [job.name for job in jobs] == ["a", "b"]
        return [Ended(name="a", code=0, seconds=3), Ended(name="b", code=75, line="the disk is full")]

    monkeypatch.setattr(backfill_command, "_filled", filled)
    file = written(tmp_path, a=recorded(tiny), b=recorded(tiny), c="")
    done = CliRunner().invoke(app, ["backfill", "--homes", str(file), "--json"])
    assert done.exit_code == TO_MEND
    made = json.loads(done.stdout)
    assert (made["filled"], made["failed"]) == ({"a": 3.0}, {"b": "the disk is full"})
    assert made["left_alone"] == {"c": "the file names no recorded log for it ([homes.backfill])"}


def test_no_file_of_homes_and_turns_that_are_none_are_said_in_a_line(tmp_path: Path, tiny: TinySource) -> None:
    done = CliRunner().invoke(app, ["backfill", "--homes", str(tmp_path / "none.toml")])
    assert isinstance(done.exception, ContractBroken) and "No such file" in str(done.exception)
    with pytest.raises(ContractBroken, match=r"homes\.0\.backfill\.turns\..* greater than 0; received 0"):
        homes_in(tmp_path, a=recorded(tiny, "0"))
