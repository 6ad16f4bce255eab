"""The command line: bad input is one line, a non-zero exit, no traceback, and nothing is lost."""

import json
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from components.publish.pointer import Pointer, Role, move_pointer
from flows.cli.exit_codes import BROKEN, BUSY, INTERRUPTED, USAGE, explain
from tests.conftest import ROOT, TinySource

COMMAND = [sys.executable, "-m", "flows.cli"]


def evercurrent(*words: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would; `limit` is the largest file it may write, in KiB."""
    command = [*COMMAND, *map(str, words)]
    if limit is not None:
        command = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_an_ingested_log_is_counted_and_the_second_time_changes_nothing(tmp_path: Path, tiny: TinySource) -> None:
    words = ("ingest", tiny.log, "--source", tiny.description, "--home", tmp_path / "home", "--json")
    first, second = evercurrent(*words), evercurrent(*words)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert json.loads(first.stdout)["duplicates"] == 0
    assert json.loads(second.stdout) == json.loads(first.stdout) | {"duplicates": len(tiny.frame), "new": False}


def test_a_pattern_brings_every_file_in_once(tmp_path: Path, tiny: TinySource) -> None:
    for day, rows in (("1", slice(0, 100)), ("2", slice(50, 150))):
        (tmp_path / f"day={day}").mkdir()
        tiny.frame.iloc[rows].to_parquet(tmp_path / f"day={day}" / "log.parquet")
    words = ("ingest", tmp_path / "day=*" / "*.parquet", "--source", tiny.description, "--home", tmp_path / "home")
    assert evercurrent(*words).stdout == "200 rows received, 150 new, 50 here already, 0 set aside\n"
    assert [batch["new"] for batch in json.loads(evercurrent(*words, "--json").stdout)] == [False, False]


def test_a_folder_of_csv_files_says_how_they_were_read_and_what_its_folders_say(
    tmp_path: Path, tiny: TinySource
) -> None:
    for who, rows in tiny.frame.iloc[:40].groupby("who"):
        (tmp_path / "logs" / f"who={who}").mkdir(parents=True)
        rows.drop(columns="who").to_csv(tmp_path / "logs" / f"who={who}" / "log.csv.gz", sep=";", index=False)
    words = ("ingest", tmp_path / "logs", "--source", tiny.description, "--home", tmp_path / "home")
    said = evercurrent(*words).stdout.splitlines()
    files = tiny.frame.iloc[:40]["who"].nunique()
    assert said[0] == "40 rows received, 40 new, 0 here already, 0 set aside"
    assert said[1] == f"read as CSV: separator ';', quote '\"', gzip ({files} files)"
    (again, *_) = json.loads(evercurrent(*words, "--json").stdout)
    assert again["read_as"] == "CSV: separator ';', quote '\"', gzip"


def bad_inputs(folder: Path, tiny: TinySource) -> "dict[str, tuple[tuple[object, ...], int, str]]":
    """Name -> words, exit code, what the line says."""
    home = ("--home", folder / "home")
    source = ("--source", tiny.description)
    whole = tiny.log.read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.csv").write_text("who,what,when,liked,kinds\n")
    (folder / "none").mkdir()
    one = folder / "one.csv"
    one.write_text("who:what\n1:a\n")
    tiny.frame.drop(columns="when").to_parquet(folder / "lacks.parquet")
    tiny.frame.assign(when="noon").to_parquet(folder / "type.parquet")
    return {
        "unknown source": (("replay", "--source", "nowhere", *home), BROKEN, "unknown source 'nowhere'; allowed are"),
        "one candidate": (
            ("compare", "--architectures", "fm", *home),
            USAGE,
            "name 1 candidates; two or more are compared",
        ),
        "no such architecture": (
            ("compare", "--architectures", "fm,xgboost", *home),
            BROKEN,
            "--architectures xgboost: ranker.architecture: Input should be 'auto'",
        ),
        "no file of homes": (("backfill", "--homes", folder / "none.toml"), BROKEN, "No such file"),
        "missing file": (("ingest", folder / "no.csv", *source, *home), BROKEN, "no file at"),
        "a file of one column": (
            ("ingest", one, *source, *home),
            BROKEN,
            "one.csv has one column, ['who:what']; allowed",
        ),
        "a folder without a log": (("ingest", folder / "none", *source, *home), BROKEN, "no log below"),
        "no file of a pattern": (("ingest", folder / "day=*.csv", *source, *home), BROKEN, "no file matches"),
        "missing column": (("ingest", folder / "lacks.parquet", *source, *home), BROKEN, "lacks column when"),
        "wrong type": (
            ("ingest", folder / "type.parquet", *source, *home),
            BROKEN,
            "allowed is a time from 1970",
        ),
        "empty file": (("ingest", folder / "empty.csv", *source, *home), BROKEN, "has no rows"),
        "truncated": (("ingest", folder / "cut.parquet", *source, *home), BROKEN, "not a readable parquet file"),
        "turns": (("replay", "--turns", "0", *home), USAGE, "--turns is '0'; allowed is a whole number from 1, or all"),
        "cutoff": (("loop", "--cutoff", "noon", *home), USAGE, "--cutoff is 'noon'; allowed is an ISO instant"),
        "nothing there": (("status", *home), BROKEN, "holds no log yet; start with"),
        "nothing to loop over": (
            ("loop", *home),
            BROKEN,
            "holds no log yet; start with",
        ),
        "nothing to serve": (("serve", *home), BROKEN, "has no champion yet"),
        "unknown word": (("bake",), USAGE, "No such command"),
    }


NAMES = (
    "unknown source",
    "missing file",
    "missing column",
    "wrong type",
    "empty file",
    "truncated",
    "turns",
    "cutoff",
    "nothing there",
    "nothing to loop over",
    "nothing to serve",
    "unknown word",
)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_line_and_leaves_nothing(name: str, tmp_path: Path, tiny: TinySource) -> None:
    words, code, line = bad_inputs(tmp_path, tiny)[name]
    done = evercurrent(*words)
    assert done.returncode == code, done.stderr
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "home" / "warehouse.duckdb").exists()


def test_a_second_run_while_one_is_going_is_told_so(tmp_path: Path, tiny: TinySource) -> None:
    hold = "import sys; from pathlib import Path; from flows.workspace import Workspace\n"
    hold += "with Workspace(Path(sys.argv[1])).held():\n    print('held', flush=True)\n    sys.stdin.read()"
    home = tmp_path / "home"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = evercurrent("ingest", tiny.log, "--source", tiny.description, "--home", home)
        assert done.returncode == BUSY
        assert "another run is using" in done.stderr
    finally:
        holder.communicate("")


def test_a_port_that_is_taken_and_a_host_that_is_none_are_refused_in_one_line(tmp_path: Path) -> None:
    pointer = Pointer(generation=1, bundle="bundles/g000001")
    move_pointer(tmp_path, Role.CHAMPION, pointer)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = evercurrent("serve", "--home", tmp_path, "--port", port)
    assert refused.returncode == BUSY
    assert refused.stderr.strip().startswith(f"busy: cannot listen on 127.0.0.1:{port}: ")
    assert len(refused.stderr.strip().splitlines()) == 1
    nowhere = evercurrent("serve", "--home", tmp_path, "--host", "192.0.2.1")
    assert nowhere.returncode == BUSY and "cannot listen on 192.0.2.1:3000" in nowhere.stderr


def test_ctrl_c_is_one_line_and_a_code_of_its_own(tmp_path: Path) -> None:
    words = ["replay", "--turns", "1", "--home", str(tmp_path / "home")]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a suite run in the background inherits it ignored
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    going = subprocess.Popen([*COMMAND, *words], **pipes, text=True, preexec_fn=heard)
    try:
        assert going.stderr is not None
        assert going.stderr.readline() == "turn 0 of 1\n"
        going.send_signal(signal.SIGINT)
        _, said = going.communicate(timeout=120)
    finally:
        going.kill()
    assert going.returncode == INTERRUPTED
    assert said.strip() == explain(KeyboardInterrupt()).line


def test_a_full_disk_is_said_in_one_line_and_the_next_run_goes_on(tmp_path: Path, tiny: TinySource) -> None:
    words = ("ingest", tiny.log, "--source", tiny.description, "--home", tmp_path / "home", "--json")
    full = evercurrent(*words, limit=200)
    assert full.returncode == BUSY, full.stderr
    assert "Traceback" not in full.stderr
    assert len(full.stderr.strip().splitlines()) == 1
    again = evercurrent(*words)
    assert json.loads(again.stdout)["duplicates"] == 0


def test_a_log_that_cannot_carry_a_verdict_is_refused_with_a_code_of_its_own(tmp_path: Path) -> None:
    log = pd.DataFrame({"request_id": range(100), "item_id": "a", "reward": [0, 1] * 50, "propensity": 1.0})
    target = pd.DataFrame({"request_id": [*range(100)] * 2, "item_id": ["a"] * 100 + ["b"] * 100, "probability": 0.5})
    log.to_csv(tmp_path / "log.csv", index=False)
    target.to_csv(tmp_path / "target.csv", index=False)
    done = evercurrent("evaluate", "--log", tmp_path / "log.csv", "--target", tmp_path / "target.csv", "--json")
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["verdict"] == "HOLD"
    assert json.loads(done.stdout)["refused"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "run the same command again"),
        (OSError(28, "No space left on device"), BUSY, "the disk refuses"),
        (OSError(27, "File too large"), BUSY, "the disk refuses"),
        (ZeroDivisionError("why"), 1, "fault: ZeroDivisionError: why"),
    ],
)
def test_every_way_to_end_has_its_line_and_its_code(error: BaseException, code: int, words: str) -> None:
    news = explain(error)
    assert news.code == code
    assert words in news.line


def test_the_cause_is_found_below_what_a_library_wrapped_around_it() -> None:
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("flow failed") from error
    except RuntimeError as wrapped:
        assert explain(wrapped).code == BUSY


def test_a_flow_that_ends_the_ordinary_way_prints_nothing_of_its_libraries(tmp_path: Path) -> None:
    """Run from a script, as a worker runs it, with a daemon thread that outlives it and an error of its own."""
    script = (
        "import threading, time\n"
        "from pathlib import Path\n"
        "from warehouse.connect import connect\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        f"with connect(Path({str(tmp_path / 'w.duckdb')!r})) as connection:\n"
        "    connection.execute('select 1').fetchone()\n"
        "raise SystemExit('error: one line')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "error: one line\n")


def test_an_export_with_a_few_broken_rows_is_taken_and_the_rows_are_named(tmp_path: Path, tiny: TinySource) -> None:
    frame = tiny.frame.astype({"who": object, "when": float})
    frame.iloc[[4, 9], 0] = None
    frame.iloc[20, 2] = float("nan")
    frame.to_parquet(tmp_path / "holes.parquet")
    words = ("ingest", tmp_path / "holes.parquet", "--source", tiny.description, "--home", tmp_path / "home")
    told = evercurrent(*words)
    assert told.returncode == 0, told.stderr
    assert f"{len(frame)} rows received, {len(frame) - 3} new, 0 here already, 3 set aside" in told.stdout
    assert "column who: 2 rows (5, 10) without a user" in told.stdout.replace("\n", " ")
    assert "column when: row 21 without a time" in told.stdout
    again = json.loads(evercurrent(*words, "--json").stdout)
    assert (again["new"], again["set_aside"]) == (False, 3)
