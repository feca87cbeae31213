import hashlib
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.library.blobs import Blobs

ONE, TWO = (Digest(hashlib.sha256(data).hexdigest()) for data in (b"one", b"two"))


def put(blobs: Blobs, data: bytes) -> None:
    """Place *data* as a transfer would."""
    path = blobs.path_of(Digest(hashlib.sha256(data).hexdigest()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_blob_is_known_by_its_digest(tmp_path: Path) -> None:
    """It is there, with its size."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    assert (True, 3) == (blobs.has(ONE), blobs.size(ONE))


def test_a_missing_blob_has_no_bytes(tmp_path: Path) -> None:
    """Asking for what is not there is no error."""
    blobs = Blobs(tmp_path)
    assert (False, 0) == (blobs.has(ONE), blobs.size(ONE))


def test_only_what_nothing_refers_to_is_removed(tmp_path: Path) -> None:
    """A blob that another model shares stays."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    put(blobs, b"two")
    assert blobs.remove_unreferenced([ONE, TWO, ONE], {TWO}) == 3
    assert (False, True) == (blobs.has(ONE), blobs.has(TWO))
