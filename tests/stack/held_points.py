"""Where a turn can be made to stand still (`tests.stack.held_loop`)."""

STAGES = (
    "ingest",
    "forget",
    "validate",
    "read",
    "measure_drift",
    "refresh_memory",
    "watch_canary",
    "update",
    "evaluate",
    "learn_held_out",
    "publish",
    "close_turn",
)
HALF = "half_published"
"""In the middle of a stage: the bundle is there, the ledger does not know it."""
