"""Named arrays and a head on disk: safetensors and JSON, whole or not at all, and their digest."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from components.array_digest import array_digest
from components.domain import ContractBroken
from components.whole_file import write_whole

ARRAYS, HEAD = "memory.safetensors", "memory.json"


def save(folder: Path, head: Mapping[str, object], arrays: Mapping[str, npt.NDArray]) -> None:
    """Write both files; the head, which names the digest, last, so that a half-written save is noticed."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(folder / ARRAYS, lambda part: save_file(whole, part))
    text = json.dumps({**head, "digest": array_digest(head, arrays)}, sort_keys=True, indent=1)
    write_whole(folder / HEAD, lambda part: part.write_text(text))


def load(folder: Path) -> tuple[dict[str, object], dict[str, npt.NDArray]]:
    """Head and arrays as saved.

    Raises
    ------
    ContractBroken
        If a file is missing or unreadable, or the content has not the recorded digest; one line.
    """
    try:
        head = json.loads((folder / HEAD).read_text())
        arrays = load_file(folder / ARRAYS)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ContractBroken(f"no memory at {folder} ({reason}); publish the generation again") from None
    recorded = head.pop("digest", "none")
    found = array_digest(head, arrays)
    if found != recorded:
        said = f"has digest {found[:12]}, recorded is {str(recorded)[:12]}"
        raise ContractBroken(f"memory at {folder} {said}; publish the generation again")
    return head, arrays
