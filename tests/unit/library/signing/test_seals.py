import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName
from roundhouse.core.errors import VerifyError
from roundhouse.library.signing import Mode, Seal, Seals
from roundhouse.testing.signing import PAYLOAD, Signer, statement

FILES = {"model.gguf": b"the weights", "sub/other.gguf": b"more weights"}


class Shelf:
    """Files of a model, and where their bytes are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[ArtifactFile] = []

    def put(self, name: str, data: bytes) -> None:
        """Hold one more file."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        self.path_of(digest).write_bytes(data)
        self.files.append(ArtifactFile(FileName(name), len(data), digest))

    def path_of(self, digest: Digest) -> Path:
        """Where the bytes are."""
        return self._folder / digest


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A model of one file, which was signed in a folder with another one."""
    made = Shelf(tmp_path)
    made.put("model.gguf", FILES["model.gguf"])
    return made


def seal(shelf: Shelf, mode: Mode, *keys: Path) -> Seal:
    """What the signature is worth."""
    return Seals(mode, keys).check(shelf.files, shelf.path_of)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_a_signature_by_a_trusted_key_names_it(shelf: Shelf, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """On every curve of the format."""
    signer = Signer(curve)
    shelf.put("model.sig", signer.sign(FILES))
    signed_by = seal(shelf, Mode.REQUIRED, signer.publish(tmp_path / "acme.pub")).signed_by
    assert f"acme.pub ({hashlib.sha256(signer.pem).hexdigest()[:12]})" == signed_by


def test_a_file_in_a_folder_is_known_by_its_last_name(shelf: Shelf, tmp_path: Path) -> None:
    """Files lie flat in the library."""
    signer = Signer()
    shelf.put("other.gguf", FILES["sub/other.gguf"])
    shelf.put("model.sig", signer.sign(FILES))
    assert seal(shelf, Mode.REQUIRED, signer.publish(tmp_path / "key")).signed_by


def test_without_a_key_a_signature_is_only_noticed(shelf: Shelf) -> None:
    """Nobody said whom to trust."""
    shelf.put("model.sig", Signer().sign(FILES))
    expected = Seal(notice="its signature was not checked: library.signature_keys names no key")
    assert expected == seal(shelf, Mode.PRESENT)


def test_somebody_elses_signature_is_only_noticed(shelf: Shelf, tmp_path: Path) -> None:
    """One trusted publisher does not shut out the others."""
    shelf.put("model.sig", Signer().sign(FILES))
    found = seal(shelf, Mode.PRESENT, Signer().publish(tmp_path / "key"))
    assert Seal(notice="its signature is by nobody whose key is in library.signature_keys") == found


def test_signatures_can_be_left_alone(shelf: Shelf) -> None:
    """Off is off."""
    shelf.put("model.sig", b"nonsense")
    assert Seal() == seal(shelf, Mode.OFF)


@pytest.mark.parametrize("signed", [False, True])
def test_a_required_signature_has_to_be_there_and_trusted(shelf: Shelf, tmp_path: Path, *, signed: bool) -> None:
    """None, or somebody else's, does not count."""
    if signed:
        shelf.put("model.sig", Signer().sign(FILES))
    with pytest.raises(VerifyError, match="a signature is required here"):
        seal(shelf, Mode.REQUIRED, Signer().publish(tmp_path / "key"))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"model.gguf": b"other weights"}, "is not the file that was signed"),
        ({"else.gguf": b"the weights"}, "is not among the files that were signed"),
    ],
)
def test_other_files_than_the_signed_ones_are_refused(
    shelf: Shelf, tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    """Every held file has to be in the list, as it is."""
    signer = Signer()
    shelf.put("model.sig", signer.sign(files))
    with pytest.raises(VerifyError, match=why):
        seal(shelf, Mode.PRESENT, signer.publish(tmp_path / "key"))


def test_a_changed_statement_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """The signature is over the statement."""
    signer, other = Signer(), Signer()
    forged = json.loads(other.sign(FILES))
    forged["verificationMaterial"] = json.loads(signer.sign({}))["verificationMaterial"]
    shelf.put("model.sig", json.dumps(forged).encode())
    with pytest.raises(VerifyError, match="the signature is not the one"):
        seal(shelf, Mode.PRESENT, signer.publish(tmp_path / "key"))


def _altered(**changed: object) -> bytes:
    return json.dumps(statement(FILES) | changed).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        _altered(_type="other"),
        _altered(predicateType="other"),
        _altered(subject=[]),
        _altered(subject=[{"digest": {"sha256": "00" * 32}}]),
        _altered(predicate={"resources": [{"name": "a", "algorithm": "blake2b", "digest": "00" * 32}]}),
        _altered(predicate={"resources": [{"name": "a", "algorithm": "sha256", "digest": "zz"}]}),
        _altered(predicate={"serialization": {"method": "shards"}, "resources": []}),
    ],
)
def test_a_hostile_statement_is_our_error(shelf: Shelf, tmp_path: Path, payload: bytes) -> None:
    """Also when a trusted key signed it."""
    signer = Signer()
    shelf.put("model.sig", signer.seal(payload))
    with pytest.raises(VerifyError, match=r"model.sig cannot be read"):
        seal(shelf, Mode.PRESENT, signer.publish(tmp_path / "key"))


def _an_envelope(**changed: object) -> dict[str, object]:
    return {"payload": "", "payloadType": PAYLOAD, "signatures": [{"sig": ""}]} | changed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b'{"dsseEnvelope": {}}',
        b"[" * 1_000_000,
        b" " * ((4 << 20) + 1),
        Signer().seal(
            b"",
            dsseEnvelope={"payload": "%", "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": ""}]},
        ),
        Signer().seal(b"", dsseEnvelope=_an_envelope(payload="%")),
        Signer().seal(b"", dsseEnvelope=_an_envelope(payloadType="text/plain")),
        Signer().seal(b"", dsseEnvelope=_an_envelope(signatures=[])),
    ],
    ids=range(9),
)
def test_a_hostile_file_is_our_error(shelf: Shelf, tmp_path: Path, data: bytes) -> None:
    """Whatever is in it."""
    shelf.put("model.sig", data)
    with pytest.raises(VerifyError, match=r"model.sig cannot be read|the signature has"):
        seal(shelf, Mode.PRESENT, Signer().publish(tmp_path / "key"))


def test_a_signature_that_is_gone_is_our_error(shelf: Shelf, tmp_path: Path) -> None:
    """Its bytes may rot as all others."""
    shelf.put("model.sig", b"{}")
    shelf.path_of(shelf.files[-1].digest).unlink()
    with pytest.raises(VerifyError, match="cannot be read"):
        seal(shelf, Mode.PRESENT, Signer().publish(tmp_path / "key"))


def _rsa() -> bytes:
    public = rsa.generate_private_key(65537, 2048).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("content", [None, b"", b"no key", _rsa(), Signer(ec.SECP256K1()).pem])
def test_a_key_that_cannot_be_used_is_named(shelf: Shelf, tmp_path: Path, content: bytes | None) -> None:
    """Missing, no key at all, or a key of another kind."""
    path = tmp_path / "key.pub"
    if content is not None:
        path.write_bytes(content)
    shelf.put("model.sig", Signer().sign(FILES))
    with pytest.raises(VerifyError, match=r"key\.pub cannot be used"):
        seal(shelf, Mode.PRESENT, path)
