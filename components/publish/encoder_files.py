"""An encoder as three files of a folder: what turns raw ids into keys, wherever that is done.

::

    feature_spec.json  users.parquet  items.parquet
"""

import json
from dataclasses import asdict
from pathlib import Path

from components.feature_spec import FeatureSpec, Field
from components.publish.attributes_file import read_attributes, write_attributes
from components.publish.json_part import read_json
from components.ranker.features import Encoder

SPEC, USERS, ITEMS = "feature_spec.json", "users.parquet", "items.parquet"


def write_encoder(folder: Path, encoder: Encoder) -> None:
    """Write the three files into a folder that is there."""
    (folder / SPEC).write_text(json.dumps([asdict(field) for field in encoder.spec.fields], indent=1) + "\n")
    write_attributes(folder / USERS, encoder.users)
    write_attributes(folder / ITEMS, encoder.items)


def read_encoder(folder: Path) -> Encoder:
    """The encoder that `write_encoder` wrote.

    Raises
    ------
    ContractBroken
        If its fields were written by a version that knows others.
    """
    spec = FeatureSpec(read_json(folder / SPEC, tuple[Field, ...]))
    return Encoder(spec, read_attributes(folder / USERS), read_attributes(folder / ITEMS))
