"""The update: loss curve, rows, and which ids came and went. Artifact ``update``."""

from collections.abc import Iterable

from components.domain import iso
from flows.control_room.log_line import Figures
from flows.control_room.loss_curve import loss_curve
from flows.control_room.markdown import bullets, table
from flows.control_room.shown import Markdown, Shown
from flows.stages.id_changes import id_changes
from flows.stages.results import Challenger, NoChallenger
from flows.turn import Turn


def shown(turn: Turn, challenger: Challenger | NoChallenger) -> Iterable[Shown]:
    """What was learned, or why nothing was."""
    if isinstance(challenger, NoChallenger):
        why = f"No new generation: {challenger.reasons[0]}"
        yield Markdown("update", why[:200], f"# No new generation\n\n{bullets(challenger.reasons)}")
        return
    made = challenger.update
    begun = "a model from scratch" if challenger.kind != "update" else f"a warm start of generation {turn.champion}"
    curve = loss_curve(made.curve, f"{begun[:1].upper()}{begun[1:]}, cutoff {iso(turn.window.cutoff)}")
    rows = [
        ("rows learned", made.rows),
        ("rows replayed", made.replayed),
        ("examples processed", made.examples_processed),
        ("ids that got a row", len(made.admitted)),
        ("ids that lost theirs", len(made.expired)),
        ("rows that the table grew by", made.grown),
    ]
    losses = [
        ("rows it learned", made.train_before, made.train_after),
        ("rows held out of training", made.holdout_before, made.holdout_after),
    ]
    ids = [
        (c.field, c.admitted, ", ".join(c.admitted_last), c.expired, ", ".join(c.expired_last))
        for c in id_changes(turn, made).summary()
    ]
    body = (
        f"# {begun[:1].upper()}{begun[1:]}\n\n{table(('figure', 'value'), rows)}\n"
        f"## Log loss, nats\n\n{table(('of', 'before', 'after'), losses)}\n![training loss by batch]({curve})\n\n"
        "The last batches are rows that were held out of training until it was judged.\n\n"
        f"## Ids\n\n{table(('field', 'came', 'the latest of them', 'went', 'the latest of them'), ids)}"
    )
    told = f"{made.rows:,} rows learned, {made.replayed:,} replayed, {len(made.admitted):,} ids came, "
    yield Markdown("update", f"{told}{len(made.expired):,} went", body)


def figures(turn: Turn, challenger: Challenger | NoChallenger) -> Figures:
    """For the log."""
    if isinstance(challenger, NoChallenger):
        return {"parent": turn.champion, "made": "nothing", "reason": challenger.reasons[0]}
    made = challenger.update
    return {
        "parent": turn.champion,
        "kind": challenger.kind or "first",
        "rows": made.rows,
        "replayed": made.replayed,
        "grown": len(made.admitted),
        "expired": len(made.expired),
        "loss_before": made.train_before,
        "loss_after": made.train_after,
    }
