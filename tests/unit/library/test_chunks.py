import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest, Stretch
from roundhouse.library.chunks import Piece, join_pieces, read_fingerprint, wrong_chunks

DATA = bytes(range(256)) * 4
CHUNK = 300


def digest_of(data: bytes) -> Digest:
    """Its sha256."""
    return Digest(hashlib.sha256(data).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three chunks and a bit."""
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return path


def pieces(*ends: int) -> list[Piece]:
    """The file as it came in, cut at *ends*."""
    cuts = pairwise([0, *ends])
    return [(begin, end - begin, digest_of(DATA[begin:end])) for begin, end in cuts]


def test_a_fingerprint_names_every_chunk(path: Path) -> None:
    """The whole, and each part of it; the last may be short."""
    found = read_fingerprint(path, CHUNK)
    assert (digest_of(DATA), 1024, path.stat().st_mtime_ns) == (found.digest, found.size, found.modified_ns)
    assert tuple(digest_of(DATA[at : at + CHUNK]) for at in range(0, 1024, CHUNK)) == found.chunks
    assert Stretch(900, 124) == found.stretch(3)


def test_an_empty_file_has_no_chunk(tmp_path: Path) -> None:
    """Nothing is the sha256 of nothing."""
    (tmp_path / "empty").touch()
    assert () == read_fingerprint(tmp_path / "empty", CHUNK).chunks


@pytest.mark.parametrize(("at", "chunk"), [(0, 0), (299, 0), (300, 1), (899, 2), (900, 3), (1023, 3)])
def test_a_flipped_bit_is_in_its_chunk(path: Path, at: int, chunk: int) -> None:
    """And in no other."""
    known = read_fingerprint(path, CHUNK)
    path.write_bytes(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :])
    assert (chunk,) == wrong_chunks(path, known)


def test_what_is_cut_off_is_wrong(path: Path) -> None:
    """From the chunk that is cut to the last."""
    known = read_fingerprint(path, CHUNK)
    path.write_bytes(DATA[:600])
    assert (2, 3) == wrong_chunks(path, known)


@pytest.mark.parametrize("ends", [(300, 600, 900, 1024), (300, 450, 600, 900, 1024), (1, 2, 300, 600, 900, 1000, 1024)])
def test_pieces_are_put_together(path: Path, ends: tuple[int, ...]) -> None:
    """What came in steps of a chunk, or was interrupted within one, gives what reading gives."""
    assert read_fingerprint(path, CHUNK) == join_pieces(path, digest_of(DATA), pieces(*ends), CHUNK)


@pytest.mark.parametrize("ends", [(), (300, 600, 900), (512, 1024), (1024,)])
def test_pieces_that_do_not_tell_give_nothing(path: Path, ends: tuple[int, ...]) -> None:
    """Missing bytes, or pieces that lie across chunks."""
    assert join_pieces(path, digest_of(DATA), pieces(*ends), CHUNK) is None


def test_pieces_with_a_gap_give_nothing(path: Path) -> None:
    """They must follow each other."""
    assert join_pieces(path, digest_of(DATA), pieces(300, 600, 900, 1024)[1:], CHUNK) is None


def test_a_divided_chunk_that_changed_since_gives_nothing(path: Path) -> None:
    """What is read again to be joined must be what came in."""
    path.write_bytes(DATA[:310] + b"!" + DATA[311:])
    assert join_pieces(path, digest_of(DATA), pieces(300, 450, 600, 900, 1024), CHUNK) is None
