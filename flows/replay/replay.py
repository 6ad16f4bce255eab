"""Replay a recorded log: generation 1 from its first stretch, then turn after turn of the daily loop.

The same code path as in production, with explicit cutoffs: between two turns the
recorded-log world plays one period of requests against the champion, and what it logs is
ingested like any decision log.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from components.domain import SECOND, ContractBroken, instant_of
from components.pages.blocks import Link
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage, links_to
from components.whole_file import write_durably
from flows import progress
from flows.daily_loop import daily_loop
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.replay.replay_page import replay_page
from flows.replay.replay_record import ReplayRecord, Start, show_truth, summarise, timed
from flows.site.draw import refresh_site
from flows.tasks import patient
from flows.turn import finished
from flows.workspace import Workspace, enter
from flows.writing import writing


@flow(name="replay", validate_parameters=False)
def replay(
    home: str = ".evercurrent", source: str = "movietweetings", turns: int | None = 8, data: str | None = None
) -> ReplayRecord:
    """`turns` periods of a recorded log (None: all), resumed where an earlier run stopped."""
    workspace = enter(Path(home))
    with writing(workspace, patient=True):
        recorded = open_recorded(workspace, source, data)
        wanted = recorded.turns if turns is None else turns
        if not 1 <= wanted <= recorded.turns:
            raise ContractBroken(f"--turns is {wanted}; {source} allows 1 to {recorded.turns}, or all")
        for turn in range(wanted + 1):
            progress.begin(f"turn {turn} of {wanted}")
            if not finished(workspace, recorded.cutoff(turn)):
                ingest(workspace, recorded, turn)
            daily_loop(str(workspace.root), datetime.fromtimestamp(recorded.cutoff(turn) // SECOND, UTC))
            show_truth(workspace, recorded, turn)
            play_period(workspace, recorded, turn)
        return summarise(workspace, recorded, wanted)


def in_foreground(home: Path, source: str, turns: int | None, data: Path | None, start: Start) -> ReplayRecord:
    """A replay from the command line, timed since its `start`, with its page written.

    Somebody watches: no zombie detection is needed, and its heartbeat costs a second per flow run.
    """
    workspace = enter(home)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        record = replay(str(workspace.root), source, turns, str(data) if data else None)
    record = timed(record, workspace.root / "replay" / "seconds.json", start)
    write_durably(workspace.replay_record, record.model_dump_json().encode())
    write_page(Path(record.report), replay_page(record, turn_links(workspace, record)))
    refresh_site(workspace)
    return record


def turn_links(workspace: Workspace, record: ReplayRecord) -> dict[str, list[Link]]:
    """Links from the replay's page to the pages that each turn left, by cutoff."""
    found = {}
    for turn in record.turns:
        folder = workspace.pages(instant_of(datetime.fromisoformat(turn.cutoff)))
        there = [page for page in TurnPage if (folder / page.file).exists()]
        found[turn.cutoff] = links_to(there, folder.relative_to(workspace.reports).as_posix())
    return found


ingest = patient("ingest", ingest_period)
play_period = patient("play", play_after)
