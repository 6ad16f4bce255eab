"""What a generation is and where it came from: the manifest of a bundle.

The manifest is written last and names the SHA-256 of every other part, so a bundle without
a manifest is half-written, and one whose parts changed since is recognised.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from components.domain import ContractBroken, Verdict, Window
from components.frozen import Frozen, first_fault
from components.parts import Part, differing, list_parts

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
"""The signature, where there is one (`components/publish/signature.py`), is of the manifest, and so no part."""
APART = (MANIFEST, SIGNATURE)


class IdChange(Frozen):
    """What a generation did to one field's vocabulary.

    `admitted` and `expired` count the ids that got a row, and that lost theirs; `admitted_last` and
    `expired_last` name the few of them seen latest. All of them stand in the bundle's id_changes.parquet.
    """

    field: str
    admitted: int = Field(default=0, ge=0)
    expired: int = Field(default=0, ge=0)
    admitted_last: tuple[str, ...] = ()
    expired_last: tuple[str, ...] = ()


class Provenance(Frozen):
    """Where a generation came from: all that is known before its parts are written.

    Attributes
    ----------
    generation : number, never reused.
    parent : the champion it was made against and would replace, so that a roll-back returns to it; None for the
        first. What it took over from it stands in `carried`: nothing, if it was trained from scratch.
    source, source_digest : name of the source, and SHA-256 over the digests of all that was ingested of it.
    start, cutoff : training window ``[start, cutoff)``, microseconds UTC of data time;
        `cutoff` is also the instant the generation was made at.
    code_commit, lock_digest : the code, and SHA-256 of the lock of its dependencies.
    rows, replayed : matured impressions learned from: fresh ones, and those of the past replayed beside them.
    verdict, reasons : what the gate said; None before it spoke.
    carried : what the warm start carried over from the parent.
    grown : rows the embedding table is longer by; ids : per field, who got a row and who lost it.
    """

    generation: int = Field(ge=1)
    parent: int | None = Field(default=None, ge=1)
    source: str
    source_digest: str | None = None
    start: int
    cutoff: int
    code_commit: str = "unknown"
    lock_digest: str = "unknown"
    rows: int = Field(default=0, ge=0)
    replayed: int = Field(default=0, ge=0)
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    grown: int = Field(default=0, ge=0)
    ids: tuple[IdChange, ...] = ()

    @model_validator(mode="after")
    def _parent_is_older(self) -> "Provenance":
        if self.parent is not None and self.parent >= self.generation:
            raise ValueError(f"parent {self.parent} of generation {self.generation} is not older")
        return self

    @property
    def window(self) -> Window:
        """The training window."""
        return Window(self.start, self.cutoff)


class Manifest(Provenance):
    """Provenance and the digest of every part, in order of path; `format` numbers the layout of the bundle.

    Until 0.3 it was 1: a model without layers (`components.ranker.model_file`).
    """

    format: int = Field(default=2, ge=1, le=2)
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """Name of the bundle's folder."""
        return bundle_name(self.generation)


def bundle_name(generation: int) -> str:
    """Folder of a generation's bundle.

    >>> bundle_name(7)
    'g000007'
    """
    return f"g{generation:06d}"


def digest_of_parts(parts: Iterable[Part]) -> str:
    """SHA-256 over paths and digests, in the order given: one number that stands for all parts."""
    return hashlib.sha256("\n".join(f"{p.path} {p.sha256}" for p in parts).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises
    ------
    ContractBroken
        If there is none (half-written), or it is not one; one line.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        what = "is half-written: it has no" if folder.is_dir() else "does not exist: there is no"
        raise ContractBroken(f"bundle {folder} {what} {MANIFEST}; run the loop again to write it") from None
    except ValidationError as error:
        raise ContractBroken(f"{folder / MANIFEST}, {first_fault(error)}; restore the bundle or roll back") from None


def verify(folder: Path) -> Manifest:
    """The manifest of a bundle, after every part was compared with its digest.

    Raises
    ------
    ContractBroken
        If a part is missing, extra, or differs: names it, what was expected and found.
    """
    manifest = read_manifest(folder)
    wrong = differing(manifest.parts, list_parts(folder, APART))
    if wrong is not None:
        raise ContractBroken(
            f"bundle {folder}, {wrong}; restore the bundle from a copy, or roll back to another generation"
        )
    return manifest
