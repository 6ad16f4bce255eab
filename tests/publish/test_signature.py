"""A bundle's signature: who may release, and what is said of a bundle that somebody else made."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.domain import ContractBroken
from components.publish.manifest import MANIFEST, SIGNATURE, verify
from components.publish.read_bundle import load_bundle
from components.publish.signature import check_signature, sign
from components.settings import Settings
from tests.docs.settings_page import settings_page


def write_keys(folder: Path, name: str, key=None) -> tuple[Path, Path]:
    """A key pair as PEM files: private, public."""
    made = key or Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32))
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path):
    return write_keys(tmp_path, "ours")


def test_a_signed_bundle_is_known_whole_and_served_as_before(folder, keys):
    private, public = keys
    sign(folder, private)
    check_signature(folder, public)
    assert SIGNATURE not in {part.path for part in verify(folder).parts}
    assert load_bundle(folder).generation == 1


def test_signing_again_changes_nothing(folder, keys):
    sign(folder, keys[0])
    first = (folder / SIGNATURE).read_bytes()
    sign(folder, keys[0])
    assert (folder / SIGNATURE).read_bytes() == first


def test_an_unsigned_bundle_is_refused(folder, keys):
    with pytest.raises(ContractBroken, match="g000001 is not signed; allowed are those signed for"):
        check_signature(folder, keys[1])


@pytest.mark.parametrize("written", [b"", b"no hex", b"\xff", b"ab" * 64])
def test_a_signature_that_is_none_is_refused(folder, keys, written):
    (folder / SIGNATURE).write_bytes(written)
    with pytest.raises(ContractBroken, match="is not signed by the owner of"):
        check_signature(folder, keys[1])


def test_another_key_and_another_manifest_are_refused(tmp_path, folder, keys):
    theirs, _ = write_keys(tmp_path, "theirs")
    sign(folder, theirs)
    with pytest.raises(ContractBroken, match="is not signed by the owner of"):
        check_signature(folder, keys[1])
    sign(folder, keys[0])
    manifest = folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows":', b'"rows": '))
    with pytest.raises(ContractBroken, match="or its manifest changed since"):
        check_signature(folder, keys[1])


def test_a_part_that_changed_is_found_by_the_signed_manifest(folder, keys):
    sign(folder, keys[0])
    (folder / "policy.json").write_text("{}")
    check_signature(folder, keys[1])
    with pytest.raises(ContractBroken, match=r"part policy\.json"):
        load_bundle(folder)


def test_what_is_no_key_is_said_in_one_line(tmp_path, folder, keys):
    other, other_public = write_keys(tmp_path, "curve", generate_private_key(SECP256R1()))
    (tmp_path / "text").write_text("none")
    for call, path, line in (
        (sign, tmp_path / "nowhere", "no key at .*; publish.signing_key names it"),
        (sign, tmp_path / "text", "holds no Ed25519 private key in PEM"),
        (sign, keys[1], "holds no Ed25519 private key in PEM"),
        (sign, other, "holds no Ed25519 private key in PEM"),
        (check_signature, tmp_path / "nowhere", "no key at .*; EVERCURRENT_RELEASE_KEY names it"),
        (check_signature, keys[0], "holds no Ed25519 public key in PEM"),
        (check_signature, other_public, "holds no Ed25519 public key in PEM"),
    ):
        with pytest.raises(ContractBroken, match=line) as error:
            call(folder, path)
        assert len(str(error.value).splitlines()) == 1
    assert not (folder / SIGNATURE).exists()


def test_the_setting_is_read_and_described():
    assert Settings.model_validate({"publish": {"signing_key": "release.pem"}}).publish.signing_key == Path(
        "release.pem"
    )
    assert "## `[publish]`" in settings_page()
