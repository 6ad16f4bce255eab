"""Signed bundles: who released a generation, where the digests of its manifest say only that it is whole.

The signature is Ed25519 (RFC 8032) over the bytes of `manifest.json`, which names the SHA-256 of every part, so it
stands for the whole bundle. It lies beside the manifest and is no part. The same key and manifest give the same
signature, hence signing again changes nothing. Keys are PEM files::

    openssl genpkey -algorithm ed25519 -out release.pem
    openssl pkey -in release.pem -pubout -out release.pub.pem
"""

from collections.abc import Callable
from pathlib import Path

from components.domain import ContractBroken
from components.publish.manifest import MANIFEST, SIGNATURE
from components.whole_file import write_durably

SIGNING, CHECKING = "publish.signing_key", "EVERCURRENT_RELEASE_KEY"
"""Who names the keys: a setting of the home, and the environment of the service."""


def sign(folder: Path, key: Path) -> None:
    """Write the signature of a bundle; doing it again changes nothing.

    Raises
    ------
    ContractBroken
        If the key cannot be read, or is none.
    Transient
        If the disk refuses.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    made = _read(lambda pem: load_pem_private_key(pem, None), key, SIGNING)
    if not isinstance(made, Ed25519PrivateKey):
        raise _no_key(key, "private", SIGNING)
    write_durably(folder / SIGNATURE, made.sign((folder / MANIFEST).read_bytes()).hex().encode() + b"\n")


def check_signature(folder: Path, key: Path) -> None:
    """Refuse a bundle that the owner of a public key did not sign.

    Raises
    ------
    ContractBroken
        If it has no signature, one of another key, or one of another manifest; or the key cannot be read.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    known = _read(load_pem_public_key, key, CHECKING)
    if not isinstance(known, Ed25519PublicKey):
        raise _no_key(key, "public", CHECKING)
    try:
        signature = bytes.fromhex((folder / SIGNATURE).read_text().strip())
        known.verify(signature, (folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ContractBroken(f"bundle {folder} is not signed; allowed are those signed for {key}") from None
    except (InvalidSignature, ValueError):
        raise ContractBroken(
            f"bundle {folder} is not signed by the owner of {key}, or its manifest changed since; "
            "restore it from a copy, or sign it with the key in publish.signing_key"
        ) from None


def _read(read: Callable[[bytes], object], path: Path, setting: str) -> object:
    """The key in a PEM file; None where there is none in it."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return read(path.read_bytes())
    except OSError as error:
        raise ContractBroken(f"no key at {path}: {error.strerror}; {setting} names it") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _no_key(path: Path, kind: str, setting: str) -> ContractBroken:
    return ContractBroken(f"{path} holds no Ed25519 {kind} key in PEM without a password; {setting} names it")
