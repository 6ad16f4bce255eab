"""Which ids a generation gave a row to, and which lost theirs: the whole list, as a file of the bundle.

``id_changes.parquet``: field, change (``admitted`` or ``expired``), id (null where the log no longer
names it), key (uint64, as in the vocabulary), last_seen (microseconds); by field, change, time and key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.domain import Ints, Keys
from components.publish.manifest import IdChange

ADMITTED, EXPIRED = "admitted", "expired"
SHOWN = 5
"""Ids of each kind that the manifest itself names, the latest seen first."""


@dataclass(frozen=True, slots=True)
class IdChanges:
    """m changes as parallel arrays: `field`, `change` and `id` text (id None where unknown), `key`, `last_seen`."""

    field: np.ndarray
    change: np.ndarray
    id: np.ndarray
    key: Keys
    last_seen: Ints

    def __len__(self) -> int:
        return len(self.key)

    def sorted(self) -> "IdChanges":
        """The same changes by field, change, time and key."""
        order = np.lexsort((self.key, self.last_seen, self.change.astype(str), self.field.astype(str)))
        return IdChanges(self.field[order], self.change[order], self.id[order], self.key[order], self.last_seen[order])

    def summary(self) -> tuple[IdChange, ...]:
        """Per field how many came and went, and the latest of them by name."""
        return tuple(self._of(field) for field in sorted(set(self.field.tolist())))

    def _of(self, field: str) -> IdChange:
        admitted, expired = (self._rows(field, change) for change in (ADMITTED, EXPIRED))
        return IdChange(
            field=field,
            admitted=len(admitted),
            expired=len(expired),
            admitted_last=tuple(self._names(admitted)),
            expired_last=tuple(self._names(expired)),
        )

    def _rows(self, field: str, change: str) -> Ints:
        return np.flatnonzero((self.field == field) & (self.change == change))

    def _names(self, rows: Ints) -> Iterator[str]:
        latest = rows[np.lexsort((self.key[rows], -self.last_seen[rows]))][:SHOWN]
        for name, key in zip(self.id[latest], self.key[latest], strict=True):
            yield f"key {key:016x}" if name is None else name


def write_id_changes(path: Path, changes: IdChanges) -> None:
    """Write the list, sorted: the same changes give the same bytes."""
    c = changes.sorted()
    texts = {name: pa.array(getattr(c, name), pa.string()) for name in ("field", "change", "id")}
    numbers = {"key": pa.array(c.key, pa.uint64()), "last_seen": pa.array(c.last_seen, pa.int64())}
    pq.write_table(pa.table({**texts, **numbers}), path, compression="zstd")
