"""What a comparison says: a difference where the interval excludes 0, and nothing where it does not."""

from pathlib import Path

import pytest
from rich.console import Console

from flows.cli import compare_table
from flows.replay.comparison import Comparison, compared
from flows.replay.job import Ended, Job
from tests.replay.records import played

BASE = [0.70, 0.60, 0.80, 0.75]
BETTER, WORSE, UNSURE = [0.010, 0.012, 0.011, 0.012], [-0.020, -0.021, -0.019, -0.02], [0.01, -0.01, 0.01, 0.0]


def made(folder: Path, **gains: list[float]) -> Comparison:
    """A comparison with a candidate for each list of gains on `BASE`, whose log loss moves the other way."""
    jobs = [Job(name=name, home=folder / name, source="s", turns=4) for name in gains]
    for job, gain in zip(jobs, gains.values(), strict=True):
        auc = [b + g for b, g in zip(BASE, gain, strict=True)]
        played(job, auc, [1 - a for a in auc])
    return compared(jobs, [Ended(name=job.name, code=0) for job in jobs])


def test_each_is_held_against_the_first_and_the_best_is_named_first(tmp_path: Path) -> None:
    found = made(tmp_path, fm=[0.0] * 4, din=BETTER, deep=WORSE, dcn=UNSURE, best=[g + 0.01 for g in BETTER])
    assert (found.first, found.better, found.worse) == ("fm", ("best", "din"), ("deep",))
    assert found.said == (
        "AUC against that of fm over 4 turns: higher: best, din; lower: deep; no difference shown: dcn"
    )
    fm, din = found.candidates[:2]
    assert fm.auc_difference is None and din.auc_difference is not None and din.log_loss_difference is not None
    assert din.auc_difference.mean == pytest.approx(0.01125)
    assert din.log_loss_difference.mean == pytest.approx(-0.01125) and din.log_loss_difference.shown
    assert (din.bundle_bytes, din.learning_seconds, din.seconds, din.digest) == (3, 2.5, 7.0, "of din")
    assert (din.value, din.auc.champion_with_memory) == (2.0, pytest.approx(0.7125 + 0.01125))


def test_more_candidates_share_the_error_so_that_each_has_to_show_more(tmp_path: Path) -> None:
    gain = [0.010, 0.030, 0.012, 0.024]
    two = made(tmp_path / "a", fm=[0.0] * 4, din=gain)
    six = made(tmp_path / "b", fm=[0.0] * 4, din=gain, **{f"c{n}": UNSURE for n in range(4)})
    assert two.better == ("din",) and six.better == ()
    assert (two.level, six.level) == (0.95, 0.99)


def test_one_that_failed_is_named_and_counts_as_asked(tmp_path: Path) -> None:
    jobs = [Job(name=name, home=tmp_path / name, source="s", turns=4) for name in ("fm", "din", "deep")]
    for job in jobs[:2]:
        played(job, BASE)
    found = compared(jobs, [*(Ended(name=j.name, code=0) for j in jobs[:2]), Ended(name="deep", code=3, line="no")])
    assert (found.failed, found.level) == ({"deep": "no"}, 0.975)
    assert [one.name for one in found.candidates] == ["fm", "din"]


def test_without_the_first_nothing_is_held_against_it(tmp_path: Path) -> None:
    jobs = [Job(name=name, home=tmp_path / name, source="s.toml", turns=4) for name in ("fm", "din")]
    found = compared(jobs, [Ended(name=job.name, code=75, line="busy") for job in jobs])
    assert (found.candidates, found.better, found.source, list(found.failed)) == ((), (), "s", ["fm", "din"])
    played(jobs[1], BASE)
    found = compared(jobs, [Ended(name="fm", code=75, line="busy"), Ended(name="din", code=0)])
    assert found.candidates[0].auc_difference is None and found.said.endswith("of fm over 4 turns: nothing to compare")


def test_the_table_says_it_on_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare_table, "Console", lambda: Console(width=80))
    compare_table.show_comparison(made(tmp_path, deepfm=[0.0] * 4, din=BETTER))
    said = capsys.readouterr().out
    assert "+1.1 ± 0.2" in said and "-0.0113 ± 0.0015" in said and "…" not in said
    assert "AUC against that of deepfm over 4 turns: higher: din" in said
