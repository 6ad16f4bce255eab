"""The error memory: what it trusts, how large it is, and what it was worth on this window. Artifact ``memory``."""

from collections.abc import Iterable

from components.memory.gain import MemoryGain
from flows.control_room.log_line import Figures
from flows.control_room.markdown import table
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import Champion, Remembered
from flows.turn import Turn


def shown(turn: Turn, made: Champion | Remembered | None) -> Iterable[Shown]:
    """Trust, size and gain; before the first generation there is no memory yet."""
    live = _live(made)
    if live is None:
        yield Markdown("memory", "No champion yet, so no memory", "# No memory yet\n\nThe first generation brings one.")
        return
    trust = [(w.signal, w.weight, w.error, w.weight - 1.96 * w.error, w.weight + 1.96 * w.error)
             for w in live.trust.weights]  # fmt: skip
    size = [("outcomes learned", live.trust.outcomes), ("megabytes", live.nbytes / 1e6)]
    body = (
        f"# Memory of generation {live.generation}\n\n{table(('figure', 'value'), size)}\n"
        f"## What it was worth\n\n{_gain(live.gain)}\n## Trust\n\n"
        f"{table(('signal', 'weight', 'standard error', 'lower, 95 %', 'upper, 95 %'), trust)}"
    )
    yield Markdown("memory", f"{live.trust.outcomes:,} outcomes remembered; {_said(live.gain)}", body)


def figures(turn: Turn, made: Champion | Remembered | None) -> Figures:
    """For the log."""
    live = _live(made)
    if live is None:
        return {"generation": None, "outcomes": 0}
    gain = live.gain
    return {
        "generation": live.generation,
        "outcomes": live.trust.outcomes,
        "learned": gain.rows if gain else 0,
        "log_loss_alone": gain.alone if gain else None,
        "log_loss_with_memory": gain.compensated if gain else None,
    }


def _live(made: Champion | Remembered | None) -> Remembered | None:
    return made.live if isinstance(made, Champion) else made


def _gain(gain: MemoryGain | None) -> str:
    if gain is None:
        return "Nothing had come that it did not know.\n"
    rows = [("champion alone", gain.alone), ("champion with memory", gain.compensated), ("saved by it", gain.gain)]
    return (
        f"Log loss in nats of the {gain.rows:,} outcomes that came, each scored before it was learned.\n\n"
        f"{table(('of', 'log loss'), rows)}"
    )


def _said(gain: MemoryGain | None) -> str:
    if gain is None:
        return "nothing new came"
    return f"log loss {gain.compensated:.4f} with it, {gain.alone:.4f} without, on {gain.rows:,} outcomes"
