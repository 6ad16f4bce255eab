"""Bundle + log = memory: whoever reads the log, whenever, arrives at the same one."""

import numpy as np
import pytest

from bento.champion import Champion
from bento.decision_log import DecisionLog
from components.domain import SECOND
from components.ingest.log_tail import day_of
from components.ingest.reward_rule import RewardRule
from components.publish.read_bundle import load_bundle
from components.publish.snapshot import resumed, write_snapshot
from components.serving.live_memory import LiveMemory, in_files
from components.serving.served import RankRequests
from tests.bento.conftest import following, release, write_outcome, write_request
from tests.publish.conftest import RECENT_SPEC


def follow(home, settings, generation=1):
    return following(resumed(home, load_bundle(home / "bundles" / f"g{generation:06d}")), home, settings)


def score(live, at, user="ann", item="heat"):
    return live.served.score_eligible(RankRequests.of([user], np.array([at]), [[item]])).score[0]


def test_an_empty_log_leaves_the_memory_as_the_bundle_has_it(home, settings, served, start):
    live = LiveMemory(served, served.cutoff, in_files(home), settings.steps)
    before = served.memory.digest()
    assert live.advance(start) == 0
    assert served.memory.digest() == before


def test_an_outcome_is_learned_when_its_tick_is_over_and_not_before(home, settings, log, start):
    live = follow(home, settings)
    write_request(log, "r", start)
    write_outcome(log, "r-0", start + SECOND // 2)
    assert live.advance(start + SECOND - 1) == 0
    assert live.advance(start + SECOND) == 1
    assert live.advance(start + 9 * SECOND) == 0


def test_good_news_about_an_item_lifts_it(home, settings, log, start):
    live = follow(home, settings)
    before = score(live, start)
    for i in range(8):
        write_request(log, f"r{i}", start + i)
        write_outcome(log, f"r{i}-0", start + i)
    live.advance(start + 2 * SECOND)
    assert score(live, start + 2 * SECOND) > before


def busy_log(home, start, n=60):
    """Outcomes of two workers, with a repetition and strange lines between them."""
    rng = np.random.default_rng(0)
    logs = [DecisionLog(home, process) for process in (1, 2)]
    for i in range(n):
        at = start + int(i * SECOND / 10)
        item = ("heat", "alien")[rng.integers(2)]
        write_request(logs[i % 2], f"r{i}", at, user=("ann", "bob")[i % 2], items=(item,))
        write_outcome(logs[(i + 1) % 2], f"r{i}-0", at + 20_000, value=float(item == "heat"))
        if i % 5 == 0:
            write_outcome(logs[i % 2], f"r{i}-0", at + 30_000, value=0.0)
            write_outcome(logs[i % 2], f"r{i}-0", at + 30_000, kind="share")
            strange = home / "decisions" / f"{day_of(at)}-9-{at}.jsonl"
            strange.write_text('{"type": "request"}\n')
    for log in logs:
        log.close()
    return start + n * SECOND


def test_a_restart_gives_the_same_memory(home, settings, start):
    live = follow(home, settings)
    end = busy_log(home, start)
    for now in range(start, end + SECOND, SECOND // 3):
        live.advance(now)
    restarted = follow(home, settings)
    restarted.advance(end + SECOND)
    assert restarted.learned == live.learned == 60
    assert restarted.served.memory.digest() == live.served.memory.digest()


def test_the_order_in_which_files_are_read_does_not_matter(home, settings, start, tmp_path_factory):
    end = busy_log(home, start)
    twin = tmp_path_factory.mktemp("twin")
    release(twin, 1)
    (twin / "decisions").mkdir()
    for number, path in enumerate(sorted((home / "decisions").iterdir(), reverse=True)):
        (twin / "decisions" / f"{path.name[:10]}-{number}-0.jsonl").write_bytes(path.read_bytes())
    lives = [follow(home, settings), follow(twin, settings)]
    for live in lives:
        live.advance(end + SECOND)
    assert lives[0].served.memory.digest() == lives[1].served.memory.digest()


def test_what_the_bundle_knew_already_is_not_learned_twice(home, settings, log, served, start):
    write_request(log, "old", served.cutoff - 5)
    write_outcome(log, "old-0", served.cutoff - 1)
    write_request(log, "edge", served.cutoff - 5)
    write_outcome(log, "edge-0", served.cutoff)
    live = follow(home, settings)
    assert live.advance(start) == 1
    assert live.outcome_of("old-0", "rating") is not None


def test_an_outcome_may_come_to_another_worker_long_after_its_impression(home, settings, log, served, start):
    write_request(log, "r", served.cutoff - 3 * 24 * 3600 * SECOND)
    live = follow(home, settings)
    live.advance(start)
    other = DecisionLog(home, 2)
    write_outcome(other, "r-0", start)
    assert live.advance(start + SECOND) == 1


def test_the_first_outcome_by_time_counts(home, settings, log, start):
    write_request(log, "r", start)
    write_outcome(log, "r-0", start + 20, value=0.0)
    write_outcome(log, "r-0", start + 10, value=1.0)
    live = follow(home, settings)
    live.advance(start + SECOND)
    assert live.learned == 1
    assert live.outcome_of("r-0", "rating").reward == 1.0


def test_an_outcome_of_an_unknown_impression_is_not_learned(home, settings, log, start):
    write_outcome(log, "nobody-0", start)
    live = follow(home, settings)
    assert live.advance(start + SECOND) == 0
    assert live.find("nobody-0") is None


def test_impressions_are_forgotten_after_the_retention(home, settings, log, start):
    write_request(log, "r", start)
    live = follow(home, settings)
    assert live.find("r-0") is not None
    live.advance(start + round(settings.retention_days * 24 * 3600 * SECOND) + 2)
    assert live.find("r-0") is None


@pytest.fixture
def clicks(tmp_path_factory):
    """A home whose source counts silence as 0 after ten seconds."""
    home = tmp_path_factory.mktemp("clicks")
    release(home, 1, outcome=RewardRule(kind="click", attribution=10.0))
    return home


def test_with_an_attribution_window_silence_is_learned_when_it_closes(clicks, settings, start):
    log = DecisionLog(clicks, 1)
    for i in range(6):
        write_request(log, f"r{i}", start + i, items=("heat",))
    live = follow(clicks, settings)
    before = score(live, start)
    assert live.advance(start + 10 * SECOND) == 0
    assert live.advance(start + 11 * SECOND) == 6
    assert score(live, start + 11 * SECOND) < before


def test_a_click_after_the_window_is_too_late(clicks, settings, start):
    log = DecisionLog(clicks, 1)
    for i in range(6):
        write_request(log, f"r{i}", start + i)
        write_outcome(log, f"r{i}-0", start + 12 * SECOND, kind="click")
    late, silent = follow(clicks, settings), follow(clicks, settings)
    late.advance(start + 20 * SECOND)
    assert late.learned == 6
    assert score(late, start) < score(silent, start)


def test_context_is_learned_with_the_impression(home, settings, log, start):
    for i in range(60):
        device = ("tv", "phone")[i % 2]
        write_request(log, f"r{i}", start + i * SECOND, user=f"u{i}", items=(f"i{i}",), context={"device": device})
        write_outcome(log, f"r{i}-0", start + i * SECOND, value=float(device == "tv"))
    live = follow(home, settings)
    live.advance(start + 61 * SECOND)
    tv, phone = (
        live.served.score_eligible(
            RankRequests.of(["new"], np.array([start]), [["new"]], {"device": np.array([d], object)})
        ).score[0]
        for d in ("tv", "phone")
    )
    assert tv > phone + 0.1


def snapshot(live, home, cutoff):
    """What the loop writes: the memory with all outcomes before an instant."""
    return write_snapshot(home, home / "memories" / f"g000001-{cutoff}", live.served, live.served.memory, cutoff)


def test_a_start_from_a_snapshot_learns_only_what_came_after_it_and_ends_with_the_same_memory(home, settings, start):
    end = busy_log(home, start)
    middle = start + 30 * SECOND // 10
    early = follow(home, settings)
    early.advance(middle)
    snapshot(early, home, middle)
    restarted = follow(home, settings)
    assert restarted.known_until == middle
    restarted.advance(end + SECOND)
    early.advance(end + SECOND)
    assert restarted.learned == 30
    assert early.learned == 60
    assert restarted.served.memory.digest() == early.served.memory.digest()


def test_a_late_outcome_of_an_impression_from_before_the_snapshot_is_learned(home, settings, log, start):
    write_request(log, "r", start)
    live = follow(home, settings)
    live.advance(start + SECOND)
    snapshot(live, home, start + SECOND)
    write_outcome(log, "r-0", start + 5 * SECOND)
    assert follow(home, settings).advance(start + 7 * SECOND) == 1


def test_a_champion_with_a_damaged_snapshot_learns_the_whole_log_instead(home, settings, start):
    end = busy_log(home, start)
    whole = follow(home, settings)
    whole.advance(end + SECOND)
    made = snapshot(whole, home, end)
    champion = Champion(settings, lambda: end + SECOND)
    assert champion.prepare().learned == 0
    (home / made.folder / "memory.json").unlink()
    live = Champion(settings, lambda: end + SECOND).prepare()
    assert live.learned == 60
    assert live.served.memory.digest() == whole.served.memory.digest()


@pytest.fixture
def attentive(tmp_path_factory):
    """A home whose generation looks at what users liked last."""
    home = tmp_path_factory.mktemp("attentive")
    release(home, 1, spec=RECENT_SPEC, architecture="din")
    return home


def recent(live, user="ann"):
    return [item for item in live.served.history.recent(np.array([user], object))[0] if item is not None]


def test_a_like_enters_the_history_with_its_tick_and_not_before(attentive, settings, start):
    log = DecisionLog(attentive, 1)
    live = follow(attentive, settings)
    for number, (item, value) in enumerate([("heat", 1.0), ("alien", 0.0), ("brazil", 1.0)]):
        write_request(log, f"r{number}", start + number, items=(item,), context={"recent": []})
        write_outcome(log, f"r{number}-0", start + number, value=value)
    live.advance(start + SECOND - 1)
    assert recent(live) == []
    live.advance(start + SECOND)
    assert recent(live) == ["brazil", "heat"]
    assert recent(live, "bob") == []


def test_a_restart_gives_the_same_history_and_memory(attentive, settings, start):
    live = follow(attentive, settings)
    end = busy_log(attentive, start)
    for now in range(start, end + SECOND, SECOND // 3):
        live.advance(now)
    restarted = follow(attentive, settings)
    restarted.advance(end + SECOND)
    likes = live.served.history.likes()
    assert len(likes) == 6
    assert columns(likes) == columns(restarted.served.history.likes())
    assert restarted.served.memory.digest() == live.served.memory.digest()


def columns(likes):
    return [part.tolist() for part in (likes.user_id, likes.item_id, likes.at)]
