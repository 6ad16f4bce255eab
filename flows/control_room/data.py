"""What was read for a turn, and what was learned after its verdict, for the log."""

from flows.control_room.log_line import Figures
from flows.stages.results import Challenger, Latest, TurnData
from flows.turn import Turn


def figures(turn: Turn, data: TurnData) -> Figures:
    """Of what was read."""
    return {
        "champion": turn.champion,
        "matured": len(data.fresh),
        "open": int(data.is_open.sum()),
        "held_out": int(data.held.sum()),
        "waiting_requests": data.waiting_requests,
        "replayed": 0 if data.replayed is None else len(data.replayed),
        "servable": len(data.servable),
    }


def latest_figures(turn: Turn, latest: Latest) -> Figures:
    """Of what was read for a refresh."""
    return {"champion": turn.champion, "matured": len(latest.rows), "unknown": int(latest.unknown.sum())}


def held_out_figures(turn: Turn, successor: Challenger | None) -> Figures:
    """Of the generation that is published."""
    return {"made": "nothing"} if successor is None else {"rows": successor.update.rows}
