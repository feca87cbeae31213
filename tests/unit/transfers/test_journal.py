import hashlib
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest
from roundhouse.transfers.journal import Chunk, Journal, read, version

DIGEST = Digest(hashlib.sha256(b"chunk").hexdigest())


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    """A journal gives back its chunks in order."""
    chunks = [Chunk(0, 5, DIGEST), Chunk(5, 7, DIGEST)]
    journal = Journal(tmp_path / "journal")
    for chunk in chunks:
        journal.append(chunk)
    journal.close()
    assert chunks == list(read(tmp_path / "journal"))


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """No file means no chunks, not an error."""
    assert [] == list(read(tmp_path / "journal"))


@pytest.mark.parametrize(
    "tail",
    [b"5 7 abc", f"5 7 {DIGEST}".encode(), b"\xff\xfe\n", b"five 7 x\n", f"-6 7 {DIGEST}\n".encode(), b"5 0 x y\n"],
    ids=["torn", "no newline", "not text", "no number", "a sign", "too many fields"],
)
def test_reading_ends_at_the_first_line_that_does_not_fit(tmp_path: Path, tail: bytes) -> None:
    """A kill may leave half a line; what follows it is not believed."""
    path = tmp_path / "journal"
    path.write_bytes(Chunk(0, 5, DIGEST).line() + tail + Chunk(5, 7, DIGEST).line())
    assert [Chunk(0, 5, DIGEST)] == list(read(path))[:1]
    assert len(list(read(path))) == 1


def test_chunks_may_be_noted_in_any_order(tmp_path: Path) -> None:
    """They are read by offset; of two that overlap one is believed."""
    chunks = [Chunk(20, 5, DIGEST), Chunk(0, 7, DIGEST), Chunk(5, 9, DIGEST)]
    journal = Journal(tmp_path / "journal")
    journal.append(*chunks)
    journal.close()
    assert [chunks[1], chunks[0]] == list(read(tmp_path / "journal"))


@pytest.mark.parametrize("told", ['"etag"', "Mon, 01 Jan 2026 00:00:00 GMT", "line\nbreak"])
def test_a_version_is_read_back(tmp_path: Path, told: str) -> None:
    """Whatever it is made of, beside the chunks."""
    journal = Journal(tmp_path / "journal", (Chunk(0, 5, DIGEST),))
    journal.note(told)
    journal.close()
    assert (told, 1) == (version(tmp_path / "journal"), len(list(read(tmp_path / "journal"))))


def test_opening_again_keeps_what_was_verified(tmp_path: Path) -> None:
    """The lines that are kept are in the new journal from its first moment."""
    Journal(tmp_path / "journal", (Chunk(0, 5, DIGEST),)).close()
    assert [Chunk(0, 5, DIGEST)] == list(read(tmp_path / "journal"))


def test_a_chunk_knows_where_it_ends() -> None:
    """The end is the next chunk's offset."""
    assert Chunk(5, 7, DIGEST).end == 12
