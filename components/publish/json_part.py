"""A part of a bundle that is one JSON document, read back as what it was written from."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from components.domain import ContractBroken
from components.frozen import first_fault

Part = TypeVar("Part")


def read_json(path: Path, kind: type[Part]) -> Part:
    """What the file says, as a value of `kind`.

    Raises
    ------
    ContractBroken
        If it says something else: it was written by another version of the code.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ContractBroken(
            f"{path}, {first_fault(error)}; the bundle was written by another version of the code: "
            "serve it with that version, or make a new generation"
        ) from None
