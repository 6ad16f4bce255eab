"""Where the description of a source lies. Imports nothing heavy: a command asks before it starts anything."""

from pathlib import Path

from components.domain import ContractBroken

SOURCES = Path(__file__).resolve().parents[1] / "warehouse" / "sources"


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
