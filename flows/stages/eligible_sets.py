"""What could have been shown in requests: their eligible sets, by number, and as examples."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.coded import Coded
from components.domain import Bools, Examples, Ints
from components.ranker.features import RECENT, Encoder, Raw
from flows.stages.training_data import context_of


@dataclass(frozen=True, eq=False)
class Requests:
    """r requests as logged, with their eligible sets.

    Attributes
    ----------
    request_id : (r,) object, raw ids. user, context : (r,) raw ids, and JSON texts.
    at : (r,) int64, microseconds.
    item, offsets : eligible items of all requests, and (r + 1,) bounds; of a request without a set on record none.
    positions, broken : (r,) impressions shown, and those of them that a contract set aside.
    """

    request_id: np.ndarray
    user: Coded
    context: Coded
    at: Ints
    item: Coded
    offsets: Ints
    positions: Ints
    broken: Ints

    def __len__(self) -> int:
        return len(self.at)

    @property
    def sizes(self) -> Ints:
        """(r,) how many items are in each eligible set."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, table: pa.Table) -> "Requests":
        """From columns as of ``05_evaluate/requests.sql``; without `positions` and `broken` they are zeros."""
        eligible = table["eligible"].combine_chunks()
        sizes = pc.fill_null(pc.list_value_length(eligible), 0).to_numpy(zero_copy_only=False)
        nothing = np.zeros(len(table), np.int64)
        return cls(
            table["request_id"].to_numpy(),
            Coded.of_arrow(table["user_id"]),
            Coded.of_arrow(table["context"].cast(pa.string())),
            table["at"].to_numpy(),
            Coded.of_arrow(eligible.flatten()),
            np.append(0, np.cumsum(sizes, dtype=np.int64)),
            *(table[name].to_numpy() if name in table.column_names else nothing for name in ("positions", "broken")),
        )

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> "Requests":
        """From a frame with the same columns, an eligible set a list of ids or None."""
        columns = {name: pa.array(frame[name], pa.string()) for name in ("request_id", "user_id", "context")}
        lists = pa.array(frame["eligible"].tolist(), pa.list_(pa.string()))
        return cls.of(pa.table({**columns, "at": frame["at"].to_numpy(np.int64), "eligible": lists}))

    def take(self, kept: Bools) -> "Requests":
        """The requests where `kept` holds."""
        sizes = self.sizes
        return replace(
            self,
            request_id=self.request_id[kept],
            user=self.user.take(kept),
            context=self.context.take(kept),
            at=self.at[kept],
            item=self.item.take(np.repeat(kept, sizes)),
            offsets=np.append(0, np.cumsum(sizes[kept])),
            positions=self.positions[kept],
            broken=self.broken[kept],
        )

    def part(self, first: int, last: int) -> "Requests":
        """The requests ``first:last`` with the values that they have, nobody else's; (r,) numbers are not copied."""
        some, bounds = slice(first, last), self.offsets[first : last + 1]
        return Requests(
            request_id=self.request_id[some],
            user=self.user.take(some).compact(),
            context=self.context.take(some).compact(),
            at=self.at[some],
            item=self.item.take(slice(bounds[0], bounds[-1])).compact(),
            offsets=bounds - bounds[0],
            positions=self.positions[some],
            broken=self.broken[some],
        )


def encode_eligible(requests: Requests, encoder: Encoder, recent: Coded | None = None) -> Examples:
    """(nnz,) the eligible entries of requests as examples.

    Parameters
    ----------
    recent : (r, width) raw ids of what their users liked last, where the source has that field.
    """
    row = np.repeat(np.arange(len(requests)), requests.sizes)
    context: dict[str, Raw] = {**context_of(requests.context)}
    if recent is not None:
        context[RECENT] = recent
    return encoder.encode(requests.user, requests.item, requests.at, context, row)
