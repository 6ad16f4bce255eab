"""The error memory: what it trusts, how large it is, and what it was worth on this window. Artifact ``memory``."""

from collections.abc import Iterable
from typing import cast

from components.memory.memory import ErrorMemory
from flows.control_room.log_line import Figures
from flows.control_room.markdown import table
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import Champion, Refreshed
from flows.turn import Turn


def shown(turn: Turn, champion: Champion | Refreshed | None) -> Iterable[Shown]:
    """Trust, size and gain; before the first generation there is no memory yet."""
    if champion is None:
        yield Markdown("memory", "No champion yet, so no memory", "# No memory yet\n\nThe first generation brings one.")
        return
    memory = cast(ErrorMemory, champion.live.memory)
    trust = [(w.signal, w.weight, w.error, w.weight - 1.96 * w.error, w.weight + 1.96 * w.error)
             for w in memory.trust_report().weights]  # fmt: skip
    size = [("outcomes learned", len(memory)), ("megabytes", memory.nbytes / 1e6)]
    body = (
        f"# Memory of generation {champion.live.generation}\n\n{table(('figure', 'value'), size)}\n"
        f"## What it was worth\n\n{_gain(champion)}\n## Trust\n\n"
        f"{table(('signal', 'weight', 'standard error', 'lower, 95 %', 'upper, 95 %'), trust)}"
    )
    yield Markdown("memory", f"{len(memory):,} outcomes remembered; {_said(champion)}", body)


def figures(turn: Turn, champion: Champion | Refreshed | None) -> Figures:
    """For the log."""
    if champion is None:
        return {"generation": None, "outcomes": 0}
    gain = champion.gain
    return {
        "generation": champion.live.generation,
        "outcomes": len(cast(ErrorMemory, champion.live.memory)),
        "learned": gain.rows if gain else 0,
        "log_loss_alone": gain.alone if gain else None,
        "log_loss_with_memory": gain.compensated if gain else None,
    }


def _gain(champion: Champion | Refreshed) -> str:
    gain = champion.gain
    if gain is None:
        return "Nothing had come that it did not know.\n"
    rows = [("champion alone", gain.alone), ("champion with memory", gain.compensated), ("saved by it", gain.gain)]
    return (
        f"Log loss in nats of the {gain.rows:,} outcomes that came, each scored before it was learned.\n\n"
        f"{table(('of', 'log loss'), rows)}"
    )


def _said(champion: Champion | Refreshed) -> str:
    gain = champion.gain
    if gain is None:
        return "nothing new came"
    return f"log loss {gain.compensated:.4f} with it, {gain.alone:.4f} without, on {gain.rows:,} outcomes"
