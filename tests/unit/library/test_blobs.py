import hashlib
import os
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.library.blobs import Blobs, Sighting

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


def test_what_was_seen_to_be_wrong_is_put_aside(tmp_path: Path) -> None:
    """And is known to be there until it is discharged."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    assert blobs.quarantine(ONE, Sighting.of(blobs.path_of(ONE).stat()))
    assert (False, {ONE}) == (blobs.has(ONE), blobs.quarantined())
    blobs.discharge([ONE])
    assert set() == blobs.quarantined()


def test_what_changed_since_it_was_seen_stays(tmp_path: Path) -> None:
    """Somebody has put other bytes there, perhaps the right ones."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    seen = Sighting.of(blobs.path_of(ONE).stat())
    blobs.path_of(ONE).unlink()
    put(blobs, b"one")
    os.utime(blobs.path_of(ONE), ns=(1, 1))
    assert not blobs.quarantine(ONE, seen)
    assert blobs.has(ONE)


def test_right_bytes_in_their_place_are_not_in_quarantine(tmp_path: Path) -> None:
    """Whatever else lies there."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    blobs.quarantine_of(ONE).parent.mkdir()
    blobs.quarantine_of(ONE).write_bytes(b"won")
    (tmp_path / "quarantine" / "stranger").touch()
    assert set() == blobs.quarantined()


def test_what_is_aside_goes_with_the_model(tmp_path: Path) -> None:
    """And counts as freed."""
    blobs = Blobs(tmp_path)
    put(blobs, b"one")
    blobs.quarantine(ONE, Sighting.of(blobs.path_of(ONE).stat()))
    assert blobs.remove_unreferenced([ONE], ()) == 3
    assert set() == blobs.quarantined()
