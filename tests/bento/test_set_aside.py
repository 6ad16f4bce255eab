"""A running service leaves out of its memory what the loop set aside, and learns it when somebody lets it in again."""

import pytest

from bento.canary import LiveCanaries
from bento.champion import Champion
from components.domain import SECOND, ContractBroken, Window
from components.publish.canary import Canary
from components.publish.pointer import Role, move_pointer
from components.publish.set_aside import WindowDecided, WindowsDecided, aside_path, read_decided, write_decided
from components.serving.aside import Aside
from components.serving.live_memory import LiveMemory, in_files
from tests.bento.conftest import release, write_outcome, write_request

HOUR = 3600 * SECOND


def decide(home, *decisions):
    """Write decisions about windows: (start, cutoff, aside)."""
    made = tuple(WindowDecided(start=start, cutoff=cutoff, aside=aside) for start, cutoff, aside in decisions)
    write_decided(home, WindowsDecided(decisions=made))


def one_hour_each(log, start):
    """Three visits: an hour before the window, in it, and an hour after it."""
    for number, at in enumerate((start, start + HOUR, start + 2 * HOUR)):
        write_request(log, f"r{number}", at)
        write_outcome(log, f"r{number}-0", at + SECOND)
    return start + HOUR - SECOND, start + HOUR + 60 * SECOND


def test_what_was_shown_or_became_known_inside_a_window_is_not_learned(home, settings, served, log, start):
    first, end = one_hour_each(log, start)
    write_request(log, "before", first - SECOND)
    write_outcome(log, "before-0", first + SECOND)
    write_request(log, "inside", end - SECOND)
    write_outcome(log, "inside-0", end + SECOND)
    now = start + 3 * HOUR
    whole = LiveMemory(served.fork(), served.cutoff, in_files(home), settings.steps)
    without = LiveMemory(served.fork(), served.cutoff, in_files(home), settings.steps, Aside(1, (Window(first, end),)))
    assert (whole.advance(now), without.advance(now)) == (5, 2)


def test_a_champion_is_loaded_again_when_a_window_is_set_aside_and_again_when_it_is_let_in(home, settings, log, start):
    first, end = one_hour_each(log, start)
    champion = Champion(settings, lambda: start + 3 * HOUR)
    champion.swap(champion.prepare())
    assert champion.live.learned == 3
    decide(home, (first, end, True))
    champion.swap(champion.prepare())
    assert champion.live.learned == 2 and champion.live.aside.decisions == 1
    assert champion.prepare() is None, "nothing changed since"
    decide(home, (first, end, True), (first, end, False))
    champion.swap(champion.prepare())
    assert champion.live.learned == 3 and champion.live.aside == Aside(2, ())


def test_a_canary_leaves_it_out_too(home, settings, log, start):
    first, end = one_hour_each(log, start)
    release(home, 2)
    move_pointer(home, Role.CANARY, Canary.beside(1, 2, 0.5))
    canaries = LiveCanaries(settings, lambda: start + 3 * HOUR)
    canaries.swap(canaries.prepare())
    before = canaries.out.live
    decide(home, (first, end, True))
    canaries.swap(canaries.prepare())
    assert before.learned - canaries.out.live.learned == 1
    assert canaries.prepare() is canaries.out


def test_what_stood_after_any_number_of_decisions_can_be_told_again(home):
    decide(home, (10, 20, True), (30, 40, True), (10, 20, False))
    told = read_decided(home)
    assert [told.after(n).windows for n in range(4)] == [
        (), (Window(10, 20),), (Window(10, 20), Window(30, 40)), (Window(30, 40),)
    ]  # fmt: skip
    assert told.latest == told.after(3)


def test_nothing_is_written_before_the_first_decision_and_a_broken_file_is_named(home):
    write_decided(home, WindowsDecided())
    assert not aside_path(home).exists()
    aside_path(home).write_text('{"decisions": [{"start": "soon"}]}')
    with pytest.raises(ContractBroken, match=r"set_aside.json.*the next `evercurrent loop` writes it again"):
        read_decided(home)


def test_a_champion_whose_windows_cannot_be_read_goes_on_and_says_so(home, settings, log, start):
    champion = Champion(settings, lambda: start)
    champion.swap(champion.prepare())
    aside_path(home).write_text("{}}")
    assert champion.prepare() is None
    assert champion.live is not None and "set_aside.json" in champion.fault
