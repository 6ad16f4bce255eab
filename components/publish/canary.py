"""Canary: the pointer to a generation that serves some users before all others, and who they are.

Service, loop and worlds ask the same function whom a canary serves, and need nothing but its pointer: a user's place
follows from id and generation alone, so a user stays where he is, on every worker and after every restart, and the next
generation's canary serves others first.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from components.domain import Bools, ContractBroken
from components.publish.pointer import Pointer, Role, pointer_path


class Canary(Pointer):
    """A generation that serves a `share` of the users, as long as `champion` serves the others."""

    champion: int = Field(ge=1)
    share: float = Field(gt=0, le=1)

    @classmethod
    def beside(cls, champion: int, generation: int, share: float) -> "Canary":
        """The canary of a generation whose bundle is in its usual place."""
        return cls(**Pointer.to(generation).model_dump(), champion=champion, share=share)

    def serves(self, user_id: str) -> bool:
        """Whether this user is among the share.

        >>> [Canary.beside(1, 2, 0.5).serves(user) for user in ("ann", "bob", "cleo", "dan")]
        [True, True, False, True]
        """
        return place(user_id, self.generation) < self.share

    def serves_each(self, user_ids: Iterable[str]) -> Bools:
        """(n,) whether each of them is."""
        return np.fromiter((self.serves(user) for user in user_ids), bool)


def place(user_id: str, generation: int) -> float:
    """A user's place in [0, 1) for a generation's canary: BLAKE2b of the id, salted with the generation."""
    digest = blake2b(user_id.encode(), digest_size=8, salt=generation.to_bytes(8, "big"), person=b"canary").digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def read_canary(home: Path) -> Canary | None:
    """The canary that is out, or None.

    Raises
    ------
    ContractBroken
        If the file is there and names none.
    """
    path = pointer_path(home, Role.CANARY)
    try:
        return Canary.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ContractBroken(
            f"{path} names no canary; allowed are generation, bundle, champion and share: the next `evercurrent loop` "
            "writes it again"
        ) from None
