"""Golden requests: what a generation answered when it was made, and has to answer wherever it is loaded.

Digests say that a bundle's bytes are whole. They do not say that another processor, library or release of ours makes
the same of them: a few requests, kept with the base logits and compensated scores that their maker gave them, do.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from components.domain import ContractBroken, Doubles
from components.frozen import Frozen, first_fault
from components.serving.served import RankRequests, Served

if TYPE_CHECKING:
    from components.ranker.model import Model

GOLDEN = "golden.json"
USERS, ITEMS = 5, 20
TOLERANCE = 1e-5
"""In logits: single precision and another order of summing make less, another model more."""


class GoldenRequest(Frozen):
    """One user and some items at the cutoff, with the logit and the score of each item."""

    user_id: str
    items: tuple[str, ...]
    logit: tuple[float, ...]
    score: tuple[float, ...]


class Golden(Frozen):
    """The requests of one generation."""

    requests: tuple[GoldenRequest, ...]


def golden_of(served: Served) -> Golden:
    """Requests of somebody unknown and of users whose attributes or likes are known, for the first servable items."""
    known = [] if served.history is None else served.history.likes().user_id.tolist()
    users = list(dict.fromkeys(["", *known[:USERS], *served.encoder.users.ids[:USERS].tolist()]))[:USERS]
    items = served.servable[:ITEMS].tolist()
    return Golden(requests=tuple(_asked(served, str(user), items) for user in users) if items else ())


def check_golden(folder: Path, served: Served) -> None:
    """Refuse a generation that answers its golden requests otherwise than when it was made.

    `served` has the bundle's own memory. A bundle without the file was made before there was one.

    Raises
    ------
    ContractBroken
        Names user, item and both figures.
    """
    path = folder / GOLDEN
    if not path.exists():
        return
    try:
        golden = Golden.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ContractBroken(f"{path}, {first_fault(error)}; restore the bundle") from None
    for request in golden.requests:
        found = _asked(served, request.user_id, list(request.items))
        for name in ("logit", "score"):
            told, made = np.array(getattr(request, name)), np.array(getattr(found, name))
            apart = np.abs(told - made)
            if not (apart <= TOLERANCE).all():
                at = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
                raise ContractBroken(
                    f"{folder.name} gives item {request.items[at]!r} for user {request.user_id!r} a {name} of "
                    f"{made[at]:.6f}; when it was made it gave {told[at]:.6f}: another processor, library or release "
                    "computes it otherwise; make a generation here"
                )


def check_arithmetic(folder: Path, model: "Model", served: Served) -> None:
    """Refuse to release what the serving arithmetic computes otherwise than the network that was trained.

    A network without finite logits is the gate's business.

    Raises
    ------
    ContractBroken
        Names both figures.
    """
    users = served.encoder.users.ids[:USERS].tolist() or [""]
    requests = RankRequests.of(users, np.full(len(users), served.cutoff), [served.servable[:ITEMS]] * len(users))
    if not len(served.servable):
        return
    examples = served.informed(requests).encode(served.encoder)
    trained, told = model.score_examples(examples).logit.detach().numpy(), model.predict_raw(examples).logit
    apart = np.where(np.isfinite(trained), np.abs(trained - told) / np.maximum(np.abs(trained), 1), 0.0)
    if not (apart <= TOLERANCE).all():
        at = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        raise ContractBroken(
            f"{folder.name}: the network gives a logit of {trained[at]:.6f}, the serving arithmetic {told[at]:.6f}; "
            f"allowed is a difference of {TOLERANCE:g}: see components/ranker/forward.py"
        )


def _asked(served: Served, user: str, items: list[str]) -> GoldenRequest:
    requests = served.informed(RankRequests.of([user], np.array([served.cutoff]), [items]))
    scored = served.score_eligible(requests)
    logit: Doubles = np.asarray(scored.prediction.logit, np.float64)
    return GoldenRequest(
        user_id=user, items=tuple(items), logit=tuple(logit.tolist()), score=tuple(scored.score.tolist())
    )
