"""What users liked last as one Parquet file: user_id, item_id, at (microseconds), by user and time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.ranker.history import Likes


def write_likes(path: Path, likes: Likes) -> None:
    """Write likes, in their order."""
    ids = {"user_id": pa.array(likes.user_id, pa.string()), "item_id": pa.array(likes.item_id, pa.string())}
    pq.write_table(pa.table({**ids, "at": pa.array(likes.at, pa.int64())}), path, compression="zstd")


def read_likes(path: Path) -> Likes:
    """The likes written by `write_likes`; an id that occurs often is one object."""
    table = pq.read_table(path, read_dictionary=["user_id", "item_id"])
    user, item = (table[name].to_pandas().to_numpy(object) for name in ("user_id", "item_id"))
    return Likes(user, item, table["at"].to_numpy().astype(np.int64))
