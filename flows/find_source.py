"""Where the description of a source lies. Imports nothing heavy: a command asks before it starts anything."""

from pathlib import Path

from components.domain import ContractBroken
from flows.workspace import Workspace

SOURCES = Path(__file__).resolve().parents[1] / "warehouse" / "sources"


def described_by(workspace: Workspace, source: str | None, path: str | None) -> Path:
    """The description that an ingest means: the one named, or without a path the one that the home holds.

    Raises
    ------
    ContractBroken
        If there is none; as `find_source`.
    """
    if source is not None:
        return find_source(source)
    if path is None and workspace.source.exists():
        return workspace.source
    raise ContractBroken(
        f"no source was named{'' if path else f' and {workspace.root} holds none yet'}; name one "
        "with --source: a shipped "
        "one, or the path of a .toml description (docs/sources.md)"
    )


def find_source(name: str) -> Path:
    """The description of a source: a name that ships, or the path of a .toml file.

    Raises
    ------
    ContractBroken
        If there is no such source; names those there are.
    """
    given, shipped = Path(name), SOURCES / f"{name}.toml"
    if given.suffix == ".toml" and given.is_file():
        return given.resolve()
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(p.stem for p in SOURCES.glob("*.toml")))
    raise ContractBroken(
        f"unknown source {name!r}; allowed are {known}, or the path of a .toml description (docs/sources.md)"
    )
