import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName, Stretch
from roundhouse.core.errors import DiskError
from roundhouse.library.blobs import Blobs, Sighting
from roundhouse.library.chunks import read_fingerprint
from roundhouse.library.integrity import Integrity
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts

DATA = a_gguf(bytes(range(256)) * 16)
CHUNK = 1000


class Bench:
    """One right blob, and who looks at it."""

    def __init__(self, root: Path) -> None:
        self.blobs, self.artifacts = Blobs(root), MemoryArtifacts()
        self.integrity = Integrity(self.blobs, self.artifacts, CHUNK)
        self.file = ArtifactFile(FileName("m.gguf"), len(DATA), Digest(hashlib.sha256(DATA).hexdigest()))
        self.path = self.blobs.path_of(self.file.digest)
        self.path.write_bytes(DATA)

    async def known(self) -> None:
        """Let it be read once while it is right."""
        assert (await self.integrity.look(self.file, quick=False)).ok

    def damage(self, data: bytes) -> None:
        """Change the bytes, but not the time of change."""
        stat = self.path.stat()
        self.path.write_bytes(data)
        os.utime(self.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Ready."""
    return Bench(tmp_path)


def flipped(at: int) -> bytes:
    """The bytes with one bit changed."""
    return DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]


async def test_the_first_full_look_remembers_the_chunks(bench: Bench) -> None:
    """What nobody recorded on arrival is known from then on."""
    await bench.known()
    assert read_fingerprint(bench.path, CHUNK) == await bench.artifacts.fingerprint(bench.file.digest)


async def test_what_landed_is_recorded(bench: Bench) -> None:
    """The chunks are known without another look."""
    known = read_fingerprint(bench.path, CHUNK)
    pieces = [(known.stretch(n).offset, known.stretch(n).length, chunk) for n, chunk in enumerate(known.chunks)]
    bench.integrity.landed(bench.file.digest, pieces)
    await bench.integrity.record([bench.file])
    assert known == await bench.artifacts.fingerprint(bench.file.digest)


async def test_a_full_look_names_the_wrong_chunk(bench: Bench) -> None:
    """With the time of change kept, as rot keeps it."""
    await bench.known()
    bench.damage(flipped(2500))
    report = await bench.integrity.look(bench.file, quick=False)
    assert (False, (Stretch(2000, 1000),)) == (report.ok, report.damaged)
    assert report.actual == hashlib.sha256(flipped(2500)).hexdigest()


async def test_without_chunks_all_of_it_is_wrong(bench: Bench) -> None:
    """Nobody knows better."""
    bench.damage(flipped(2500))
    report = await bench.integrity.look(bench.file, quick=False)
    assert (Stretch(0, len(DATA)),) == report.damaged


async def test_bytes_too_many_are_found(bench: Bench) -> None:
    """No chunk is wrong, and yet the file is."""
    await bench.known()
    bench.damage(DATA + b"more")
    report = await bench.integrity.look(bench.file, quick=False)
    assert (False, ()) == (report.ok, report.damaged)


async def test_chunks_that_lie_do_not_make_right_bytes_wrong(bench: Bench) -> None:
    """The digest of the whole is the judge."""
    right = read_fingerprint(bench.path, CHUNK)
    await bench.artifacts.put_fingerprint(replace(right, chunks=(right.chunks[1], *right.chunks[1:])))
    assert (await bench.integrity.look(bench.file, quick=False)).ok


async def test_what_the_disk_does_not_give_is_an_error_of_ours(bench: Bench) -> None:
    """Which names the file."""
    bench.path.unlink()
    bench.path.mkdir()
    with pytest.raises(DiskError, match=r"m\.gguf: the disk refused"):
        await bench.integrity.look(bench.file, quick=False)


async def test_a_blob_in_quarantine_is_wrong_and_says_so(bench: Bench) -> None:
    """Not that it is gone."""
    assert bench.blobs.quarantine(bench.file.digest, Sighting.of(bench.path.stat()))
    assert "quarantine" in ((await bench.integrity.look(bench.file, quick=False)).problem or "")


async def test_chunks_that_vouch_for_damage_are_not_believed(bench: Bench) -> None:
    """A stored fingerprint of wrong bytes must not make them right."""
    bench.damage(flipped(2500))
    lie = replace(read_fingerprint(bench.path, CHUNK), digest=bench.file.digest)
    await bench.artifacts.put_fingerprint(lie)
    report = await bench.integrity.look(bench.file, quick=False)
    assert (False, (Stretch(0, len(DATA)),)) == (report.ok, report.damaged)


@pytest.mark.parametrize("quick", [False, True])
async def test_a_missing_blob_is_wrong(bench: Bench, quick: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """And no error."""
    bench.path.unlink()
    report = await bench.integrity.look(bench.file, quick=quick)
    assert ("is gone", (Stretch(0, len(DATA)),)) == (report.problem, report.damaged)


async def test_a_glance_is_content_with_size_header_and_time(bench: Bench) -> None:
    """It reads no weights: rot that keeps the time of change is not for it."""
    await bench.known()
    bench.damage(flipped(2500))
    assert (await bench.integrity.look(bench.file, quick=True)).ok


@pytest.mark.parametrize(
    ("data", "problem"), [(DATA[:-1], "bytes"), (flipped(0), "header")], ids=["cut", "damaged header"]
)
async def test_a_glance_sees_size_and_header(bench: Bench, data: bytes, problem: str) -> None:
    """Also when the time of change was kept."""
    await bench.known()
    bench.damage(data)
    assert problem in ((await bench.integrity.look(bench.file, quick=True)).problem or "")


async def test_a_glance_sees_that_somebody_wrote(bench: Bench) -> None:
    """Until a full look finds that the bytes are right all the same."""
    await bench.known()
    os.utime(bench.path, ns=(1, 1))
    assert "written to" in ((await bench.integrity.look(bench.file, quick=True)).problem or "")
    await bench.known()
    assert (await bench.integrity.look(bench.file, quick=True)).ok
