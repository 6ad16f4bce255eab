"""A person's word before a release: the turn waits, and what the person says is the verdict.

No answer is a no. A turn that is killed while it waits has published nothing: the next run makes the same challenger,
comes to the same judgement, and asks again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from uuid import UUID

from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput
from prefect.states import Cancelled
from pydantic import Field

from components.domain import Verdict, iso
from flows import progress
from flows.control_room.announcement import say
from flows.control_room.evaluation import page
from flows.control_room.looking import run_around
from flows.control_room.name import call
from flows.control_room.shown import guarded
from flows.stages.evaluate import keep_evidence
from flows.stages.results import Judgement
from flows.turn import Turn

POLL_SECONDS = 2
SPARE_SECONDS = 600
"""How much longer than us the server waits: a pause that it has ended itself cannot be answered any more."""


class Approval(RunInput):
    """The form in the UI."""

    approve: bool = Field(default=False, title="Release this generation")
    note: str = Field(default="", title="Why", description="Kept as a reason of the verdict.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said; `note` may be empty."""

    approve: bool
    note: str


Asker = Callable[[Turn, Judgement], Answer]
_askers: list[Asker] = []


@contextmanager
def answered_by(asker: Asker) -> Iterator[None]:
    """Let `asker` answer inside the block, instead of the form in the UI."""
    _askers.append(asker)
    try:
        yield
    finally:
        _askers.remove(asker)


def approved(turn: Turn, judgement: Judgement, approve: bool) -> Judgement:
    """The judgement, after a person was asked where one is to be: HOLD with the person's note if the answer is no.

    The first generation is not asked about: without it nobody answers.
    """
    if not approve or turn.champion is None or judgement.verdict is not Verdict.PROMOTE:
        return judgement
    progress.begin("approval")
    answer = (_askers[-1] if _askers else _in_the_ui)(turn, judgement)
    if answer.approve:
        said = f"approved by a person{_noted(answer)}"
        return replace(judgement, reasons=(*judgement.reasons, said))
    held = replace(
        judgement,
        verdict=Verdict.HOLD,
        reasons=(f"held for want of approval{_noted(answer)}", *judgement.reasons),
    )
    keep_evidence(turn, held)
    return held


def _noted(answer: Answer) -> str:
    note = " ".join(answer.note.split())
    return f": {note}" if note else ""


def _in_the_ui(turn: Turn, judgement: Judgement) -> Answer:
    """Ask in a run of its own, whose page has the form, and wait for it."""
    seconds, asks = turn.settings.control_room.approve_seconds, f"{iso(turn.window.cutoff)} PROMOTE?"
    call(f"{asks} waits for a person")
    say("approval", lambda: {"asks": "a person", "where": "the run below: Resume", "within": seconds}, 0.0)
    home = f"home:{turn.workspace.root}"
    guarded("questions that nobody waits for", lambda: _withdraw(home))
    with tags(home):
        answer: Answer = _ask.with_options(flow_run_name=f"{asks} Resume to answer")(page(turn, judgement), seconds)
    return answer


def _withdraw(home: str) -> None:
    """End questions of runs that were killed while they asked: we hold the home's lock, so nobody waits for them."""
    paused = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    theirs = FlowRunFilter(state=paused, tags=FlowRunFilterTags(all_=[home]))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=theirs):
            gone: State[None] = Cancelled(message="the run that asked is gone; another one asks")
            client.set_flow_run_state(run.id, gone, force=True)


@flow(name="approval")
def _ask(question: str, seconds: float) -> Answer:
    """Pause until the form is sent, or until nobody answered.

    A run of its own: a paused run of a deployment loses the slot that its deployment's concurrency limit gave it, and
    Prefect 3.8 then cancels its process within four minutes. The run of the turn stays Running, and keeps the slot.
    """
    run = run_around()
    assert run is not None, "a flow is a run"
    form = Approval.with_initial_data(description=question)
    try:
        with _answered_after(run.id, seconds):
            said = pause_flow_run(wait_for_input=form, timeout=int(seconds) + SPARE_SECONDS, poll_interval=POLL_SECONDS)
    except FlowPauseTimeout:
        return Answer(False, _nobody(seconds))
    return Answer(said.approve, said.note)


@contextmanager
def _answered_after(run: UUID, seconds: float) -> Iterator[None]:
    """Answer no when the time is up: a pause that times out by itself would fail the run."""

    def answer() -> None:
        with suppress(Exception):  # somebody answered just now
            resume_flow_run(run, run_input={"approve": False, "note": _nobody(seconds)})

    timer = threading.Timer(seconds, answer)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _nobody(seconds: float) -> str:
    return f"nobody answered within {seconds:g} s"
