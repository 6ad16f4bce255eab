"""A folder that any container engine makes an image of: the Bento of a generation, its bundle, and a Dockerfile.

The Dockerfile is the one that BentoML writes into the Bento; what is added says where the service listens inside the
container, and where it keeps its log.
"""

import shutil
import tempfile
from pathlib import Path

from components.domain import ContractBroken, Transient
from components.frozen import Frozen
from components.publish.pointer import read_pointer
from flows.stages.bento_store import build_bento, enter_model_store
from flows.workspace import Workspace

ADDED = """
# A container's port is what `docker run --publish` lets through; without tokens nobody is answered there.
ENV BENTOML_HOST=0.0.0.0
ENV EVERCURRENT_HOME=/home/bentoml/home
"""


class Container(Frozen):
    """What to build, and how: `command` makes the image `image` of `folder`."""

    folder: str
    image: str
    command: str


def containerize(workspace: Workspace, to: Path | None = None) -> Container:
    """Write the folder of the champion's image; one that is there already stays as it is.

    Parameters
    ----------
    to : the folder; default ``<home>/containers/<generation and digest>``.

    Raises
    ------
    ContractBroken
        If there is no champion, its bundle is damaged, or `to` holds something else.
    Transient
        If the disk refuses.
    """
    import bentoml

    champion = read_pointer(workspace.root)
    if champion is None:
        raise ContractBroken(f"{workspace.root} has no champion yet; make one first: evercurrent loop")
    bundle = workspace.root / champion.bundle
    bento, model = bentoml.bentos.get(build_bento(bundle)), bentoml.models.get(enter_model_store(bundle))
    folder = to or workspace.root / "containers" / str(bento.tag.version)
    made = Container(folder=str(folder), image=str(bento.tag), command=f"docker build --tag {bento.tag} {folder}")
    if folder.exists():
        if not _is_of(folder, str(bento.tag)):
            raise ContractBroken(f"{folder} is there and is not of {bento.tag}; name another folder with --to")
        return made
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
            whole = Path(unfinished) / "whole"
            shutil.copytree(bento.path, whole)
            shutil.copytree(model.path, whole / "models" / str(model.tag.name) / str(model.tag.version))
            written = (whole / "env" / "docker" / "Dockerfile").read_text()
            entry = written.rindex("ENTRYPOINT")
            (whole / "Dockerfile").write_text(f"{written[:entry].rstrip()}\n{ADDED}\n{written[entry:].rstrip()}\n")
            (whole / "image.txt").write_text(f"{bento.tag}\n")
            whole.replace(folder)
    except OSError as error:
        raise Transient(f"cannot write {folder}: {error.strerror or error}; free space and rights there") from None
    return made


def _is_of(folder: Path, image: str) -> bool:
    told = folder / "image.txt"
    return told.is_file() and told.read_text().strip() == image
