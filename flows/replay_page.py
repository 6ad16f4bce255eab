"""The page of a replay: the table of the turns, and the same as pictures."""

from components.pages.page import Section, Text, render
from flows.replay_record import ReplayRecord


def replay_page(record: ReplayRecord) -> str:
    """One offline HTML page."""
    return render(f"Replay of {record.source}", record.turns[-1].cutoff, [Section("", [Text([record.caveat])])])
