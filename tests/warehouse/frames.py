"""What the warehouse hands out in batches, as a frame: tests look at a few rows of it."""

import pandas as pd
import pyarrow as pa

from components.domain import Window
from warehouse import facts
from warehouse.connect import Warehouse

NOTHING = pd.DataFrame({name: pd.Series(dtype=float) for name in ("user_id", "at", "matured_at", "reward", "grade")})


def matured(w: Warehouse, window: Window, maturing: facts.Maturing) -> pd.DataFrame:
    """The accepted impressions that matured inside a window, in order of arrival."""
    batches = list(facts.matured(w, window, maturing))
    return pa.Table.from_batches(batches).to_pandas() if batches else NOTHING


def replayed(w: Warehouse, draw: facts.Draw, maturing: facts.Maturing) -> pd.DataFrame:
    """A sample of what matured before."""
    return facts.replayed(w, draw, maturing).to_pandas()


def requests(w: Warehouse, *request_ids: str) -> pd.DataFrame:
    """Accepted requests by id; an eligible set an array of ids, None where there is none on record."""
    return facts.requests(w, pa.array(request_ids, pa.string()), 0).to_pandas()
