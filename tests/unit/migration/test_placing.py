"""A file comes in as it was planned, by the way that the file systems allow, or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import ConflictError, DiskError, VerifyError
from roundhouse.library.chunks import CHUNK_BYTES, read_fingerprint
from roundhouse.migration.found import FoundFile
from roundhouse.migration.placing import Paving, bring, proven, read_whole
from roundhouse.migration.planning import Method, Mode
from roundhouse.migration.stores.walking import found_file
from roundhouse.testing.adoption import digest_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of a store."""
    path = tmp_path / "store" / "file"
    path.parent.mkdir()
    path.write_bytes(b"bytes")
    return path


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev", "shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def planned(path: Path, promised: Digest | None = None) -> FoundFile:
    """*path* as a look at the store found it."""
    found = found_file(path, path.parent, "file", promised)
    assert found is not None
    return found


def test_a_file_that_has_changed_does_not_come(source: Path, tmp_path: Path) -> None:
    """Neither one that was written to, nor another one under its name."""
    file = planned(source)
    os.utime(source, ns=(1, 1))
    with pytest.raises(ConflictError):
        bring(file, tmp_path / "target", Method.LINK, Mode.AUTO)
    assert not (tmp_path / "target").exists()


def test_a_file_that_became_a_link_does_not_come(source: Path, tmp_path: Path) -> None:
    """Not even one to itself."""
    file = planned(source)
    source.rename(tmp_path / "moved")
    source.symlink_to(tmp_path / "moved")
    with pytest.raises(OSError, match="symbolic"):
        bring(file, tmp_path / "target", Method.COPY, Mode.COPY)


def test_a_file_that_is_gone_does_not_come(source: Path, tmp_path: Path) -> None:
    """That is said in our words."""
    file = planned(source)
    source.unlink()
    with pytest.raises(ConflictError):
        bring(file, tmp_path / "target", Method.COPY, Mode.COPY)


def test_another_disk_is_copied_to_when_nobody_insists(source: Path, other_disk: Path) -> None:
    """A link across file systems cannot be."""
    assert Method.COPY is bring(planned(source), other_disk / "target", Method.LINK, Mode.AUTO)
    assert b"bytes" == (other_disk / "target").read_bytes()


@pytest.mark.parametrize("mode", [Mode.LINK, Mode.REFLINK])
def test_another_disk_is_refused_when_somebody_insists(source: Path, other_disk: Path, mode: Mode) -> None:
    """The user asked for sharing, and would not get it."""
    with pytest.raises(DiskError):
        bring(planned(source), other_disk / "target", Method(mode.value), mode)
    assert [] == list(other_disk.iterdir())


def test_the_plan_knows_which_way_it_will_be(source: Path, tmp_path: Path, other_disk: Path) -> None:
    """A trial leaves nothing behind."""
    file = planned(source)
    ways = [Paving(tmp_path / "not" / "yet").method_of(file, Mode.AUTO), Paving(other_disk).method_of(file, Mode.AUTO)]
    assert [True, False] == [way.shares for way in ways]
    assert ([], ["store"]) == (list(other_disk.iterdir()), [path.name for path in tmp_path.iterdir()])


def test_a_broken_promise_is_found(source: Path) -> None:
    """The name of a blob is no proof."""
    with pytest.raises(VerifyError):
        proven(planned(source, digest_of(b"other")), source, lambda _: None)


def test_reading_yields_the_chunks_that_repair_needs(tmp_path: Path) -> None:
    """They are those of a full verification."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(1000))
    with path.open("r+b") as file:
        file.truncate(CHUNK_BYTES + 5)
    read, known = read_whole(path), read_fingerprint(path, CHUNK_BYTES)
    assert (known.digest, known.size, known.chunks) == (read.digest, read.size, tuple(d for _, _, d in read.pieces))
