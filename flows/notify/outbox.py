"""Letters that no receiver has taken yet: a file each in ``<home>/notify/outbox``, until it is delivered.

A letter names its receiver by a digest: addresses may carry secrets, and stay in the settings.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from components.control_room.note import Note
from components.frozen import Frozen
from components.whole_file import write_durably


class Letter(Frozen):
    """A note on its way to a receiver; `at` in microseconds."""

    receiver: str
    at: int
    note: Note


@dataclass(frozen=True, slots=True)
class Outbox:
    """The letters of a home."""

    folder: Path

    @classmethod
    def of(cls, home: Path) -> "Outbox":
        """The outbox of a home."""
        return cls(home / "notify" / "outbox")

    def put(self, note: Note, url: str, at: int) -> None:
        """Keep a letter until it is delivered; the same note to the same receiver is one letter.

        Raises
        ------
        Transient
            If the disk refuses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        letter = Letter(receiver=receiver_of(url), at=at, note=note)
        path = self.folder / f"{note.id}-{letter.receiver}.json"
        write_durably(path, letter.model_dump_json(indent=1).encode())

    def waiting(self) -> "Iterator[tuple[Path, Letter]]":
        """The letters, the oldest first; one that cannot be read is gone."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append((path, Letter.model_validate_json(path.read_bytes())))
            except ValidationError:
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # another run delivered it meanwhile
                continue
        yield from sorted(found, key=lambda each: (each[1].at, each[0].name))

    def clear(self, urls: "tuple[str, ...]", before: int) -> int:
        """Drop letters older than an instant, and those to receivers that are no longer named; how many."""
        known = {receiver_of(url) for url in urls}
        gone = [path for path, letter in self.waiting() if letter.at < before or letter.receiver not in known]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)


def receiver_of(url: str) -> str:
    """The name of a receiver: 12 hexadecimal digits."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]
