"""What finds a generation's candidates, on disk; only where its catalogue is large.

<bundle>/retrieval/found.json            how well it finds them
<bundle>/retrieval/landmarks.safetensors landmark items, and the way from their scores to a person's vector
<bundle>/retrieval/index.faiss           the items' vectors, in FAISS's own format
"""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from components.domain import ContractBroken
from components.serving.landmarks import Found, Landmarks

FOLDER = "retrieval"
FOUND = "found.json"


def write_retrieval(bundle: Path, landmarks: Landmarks, found: Found) -> None:
    """Write both into a bundle that is being made."""
    import faiss

    folder = bundle / FOLDER
    folder.mkdir()
    arrays = {"rows": landmarks.rows, "mean": landmarks.mean, "solver": landmarks.solver}
    save_file({name: array.copy() for name, array in arrays.items()}, folder / "landmarks.safetensors")
    faiss.write_index(landmarks.index, str(folder / "index.faiss"))
    (folder / FOUND).write_text(found.model_dump_json(indent=1) + "\n")


def read_retrieval(bundle: Path, items: int) -> Landmarks | None:
    """The landmarks of a bundle whose digests were checked; None where it has none.

    Raises
    ------
    ContractBroken
        If the parts do not fit each other, or the number of servable items; one line.
    """
    folder = bundle / FOLDER
    if not folder.exists():
        return None
    import faiss

    try:
        arrays = load_file(folder / "landmarks.safetensors")
        rows, mean, solver = (arrays[name] for name in ("rows", "mean", "solver"))
        index = faiss.read_index(str(folder / "index.faiss"))
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise ContractBroken(f"no readable index in {folder}: {str(error).splitlines()[0]}") from None
    fits = len(rows) == len(mean) == len(solver) and index.d == solver.shape[1] + 2
    if index.ntotal != items or not fits or not (rows >= 0).all() or not (rows < items).all():
        raise ContractBroken(
            f"{folder} is of {index.ntotal} items in {index.d} dimensions, the bundle has {items} servable ones and "
            f"{solver.shape[1] + 2} dimensions: make a new generation"
        )
    return Landmarks(rows, mean, solver, index)
