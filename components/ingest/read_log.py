"""The rows of a file of interactions, Parquet or CSV."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from components.domain import ContractBroken


def read_log(path: Path) -> pd.DataFrame:
    """The rows of a Parquet or CSV file.

    Raises
    ------
    ContractBroken
        Missing file, another ending, a truncated or unreadable file, no rows; one line.
    """
    if not path.is_file():
        raise ContractBroken(f"no file at {path}; give the path of a .parquet or .csv log")
    try:
        if path.suffix == ".parquet":
            frame = pa_parquet.read_table(path).to_pandas()
        elif path.suffix == ".csv":
            frame = pa_csv.read_csv(path).to_pandas()
        else:
            raise ContractBroken(f"{path} ends in {path.suffix!r}; allowed are .parquet and .csv")
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        raise ContractBroken(f"{path} is not a readable {path.suffix[1:]} file ({reason}); write it again") from None
    if frame.empty:
        raise ContractBroken(f"{path} has no rows; a log needs at least one")
    return frame
