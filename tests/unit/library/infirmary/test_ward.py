import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan, Stretch
from roundhouse.core.errors import ConflictError, NetworkError, NotFoundError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.infirmary import read_peer
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts

CHUNK = 1000
DATA = a_gguf(hashlib.shake_256(b"weights").digest(8192))


class Bench:
    """A library with one model whose chunks are known."""

    def __init__(self, root: Path) -> None:
        self.artifacts = MemoryArtifacts()
        self.library = Library(root, self.artifacts, Events(), FakeClock(), chunk_bytes=CHUNK)
        self.ward = self.library.infirmary
        self.file = ArtifactFile(FileName("m.gguf"), len(DATA), Digest(hashlib.sha256(DATA).hexdigest()))
        self.path = self.library.blobs.path_of(self.file.digest)

    async def open(self) -> None:
        """Add the model, and read it once while it is right."""
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(DATA)
        self.model = await self.add("tiny")
        await self.library.verify("tiny")

    async def add(self, model: str) -> Artifact:
        """One more model with the same bytes."""
        return await self.library.add_from_transfer(Plan(f"hf:{model}", "hf", model, "1", ()), [self.file])

    def spoil(self, *offsets: int) -> None:
        """Flip a bit at each of *offsets*."""
        data = bytearray(self.path.read_bytes())
        for offset in offsets:
            data[offset] ^= 1
        self.path.write_bytes(data)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """Ready."""
    bench = Bench(tmp_path)
    await bench.open()
    return bench


async def right(stretch: Stretch, _digest: Digest) -> bytes:
    """Bring what belongs there."""
    return DATA[stretch.offset : stretch.offset + stretch.length]


async def never(_stretch: Stretch, _digest: Digest) -> bytes:
    """Bring nothing."""
    message = "the line is dead"
    raise NetworkError(message)


async def false(stretch: Stretch, _digest: Digest) -> bytes:
    """Bring something else."""
    return bytes(stretch.length)


async def test_a_right_blob_is_found_right(bench: Bench) -> None:
    """Nothing is damaged."""
    finding = await bench.ward.examine(bench.file)
    assert (True, ()) == (finding.ok, finding.damaged)


async def test_the_wrong_chunks_are_named(bench: Bench) -> None:
    """By where they lie."""
    bench.spoil(0, 2500, len(DATA) - 1)
    finding = await bench.ward.examine(bench.file)
    assert (Stretch(0, 1000), Stretch(2000, 1000), Stretch(8000, len(DATA) - 8000)) == finding.damaged


async def test_without_a_fingerprint_all_of_it_is_damaged(bench: Bench) -> None:
    """And there is nothing to mend it with."""
    await bench.artifacts.drop_fingerprints([bench.file.digest])
    bench.spoil(0)
    finding = await bench.ward.examine(bench.file)
    assert (False, (Stretch(0, len(DATA)),)) == (finding.is_partly_right, finding.damaged)


@pytest.mark.parametrize("change", [lambda data: data[:2500], lambda data: data + b"more"], ids=["cut", "too long"])
async def test_a_file_of_the_wrong_length_is_mended(bench: Bench, change: Callable[[bytes], bytes]) -> None:
    """What is cut off is brought, what is too much goes."""
    bench.path.write_bytes(change(DATA))
    await bench.ward.mend(await bench.ward.examine(bench.file), right)
    assert DATA == bench.path.read_bytes()


async def test_mending_relinks_all_models_that_share_the_bytes(bench: Bench) -> None:
    """A hard link to the old file would still be wrong."""
    twin = await bench.add("twin")
    bench.spoil(2500)
    await bench.ward.mend(await bench.ward.examine(bench.file), right)
    for artifact in (bench.model, twin):
        assert DATA == (bench.library.root / "models").joinpath(bench.library.path_to_load(artifact)).read_bytes()
    assert (await bench.library.verify("tiny", quick=True)).ok


async def with_an_older_revision(bench: Bench) -> Artifact:
    """A model that was updated to one more file, and kept what it was."""
    other = a_gguf(hashlib.shake_256(b"new").digest(5000))
    file = ArtifactFile(FileName("n.gguf"), len(other), Digest(hashlib.sha256(other).hexdigest()))
    bench.library.blobs.path_of(file.digest).write_bytes(other)
    artifacts = Library(bench.library.root, bench.artifacts, Events(), FakeClock(), chunk_bytes=CHUNK, keep_revisions=1)
    await artifacts.add_from_transfer(Plan("hf:tiny", "hf", "tiny", "2", ()), [file])
    (older,) = await bench.library.older("tiny")
    return older.artifact


async def test_mending_relinks_older_revisions_too(bench: Bench) -> None:
    """A rollback would serve the wrong bytes otherwise."""
    older = await with_an_older_revision(bench)
    bench.spoil(2500)
    await bench.ward.mend(await bench.ward.examine(bench.file), right)
    assert DATA == bench.library.path_of(older).read_bytes()


async def test_what_an_older_revision_alone_has_wrong_does_not_stop_the_one_that_is_served(bench: Bench) -> None:
    """Only the folder with the wrong bytes goes."""
    older = await with_an_older_revision(bench)
    bench.spoil(2500)
    assert await bench.ward.isolate(await bench.ward.examine(bench.file))
    served = await bench.library.get("tiny")
    assert (False, True) == (bench.library.path_of(older).exists(), bench.library.path_of(served).exists())


async def test_a_repair_that_fails_changes_nothing(bench: Bench) -> None:
    """And leaves no draft."""
    bench.spoil(2500)
    before = bench.path.read_bytes()
    with pytest.raises(NetworkError):
        await bench.ward.mend(await bench.ward.examine(bench.file), never)
    assert (before, []) == (bench.path.read_bytes(), list(bench.library.partials.iterdir()))


async def test_a_whole_that_is_wrong_even_so_changes_nothing(bench: Bench) -> None:
    """The digest of the whole is the judge."""
    bench.spoil(2500)
    before = bench.path.read_bytes()
    assert not await bench.ward.mend(await bench.ward.examine(bench.file), false)
    assert (before, []) == (bench.path.read_bytes(), list(bench.library.partials.iterdir()))


async def test_a_blob_that_vanishes_is_a_conflict(bench: Bench) -> None:
    """Somebody removed it while it was looked at."""
    bench.spoil(2500)
    finding = await bench.ward.examine(bench.file)
    bench.path.unlink()
    with pytest.raises(ConflictError):
        await bench.ward.mend(finding, right)


async def test_what_is_isolated_can_be_loaded_by_nobody(bench: Bench) -> None:
    """Neither from its folder nor through the library; and the hint names the way back."""
    loaded = bench.library.path_to_load(bench.model)
    bench.spoil(2500)
    assert await bench.ward.isolate(await bench.ward.examine(bench.file))
    assert (False, {bench.file.digest}) == (loaded.exists(), await bench.library.quarantined())
    with pytest.raises(NotFoundError) as caught:
        bench.library.path_to_load(bench.model)
    assert "models repair tiny" in (caught.value.hint or "")


async def test_what_changed_since_is_not_isolated(bench: Bench) -> None:
    """It may be right by now."""
    bench.spoil(2500)
    finding = await bench.ward.examine(bench.file)
    bench.path.unlink()
    bench.path.write_bytes(DATA)
    assert not await bench.ward.isolate(finding)
    assert set() == await bench.library.quarantined()


async def test_what_is_in_quarantine_can_be_mended(bench: Bench) -> None:
    """From where it lies to its place, and the copy goes."""
    bench.spoil(2500)
    await bench.ward.isolate(await bench.ward.examine(bench.file))
    finding = await bench.ward.examine(bench.file)
    assert (Stretch(2000, 1000),) == finding.damaged
    await bench.ward.mend(finding, right)
    assert (DATA, set()) == (bench.library.path_to_load(bench.model).read_bytes(), await bench.library.quarantined())


async def test_right_bytes_in_quarantine_are_released(bench: Bench) -> None:
    """The disk gave wrong ones once, and right ones now."""
    bench.spoil(2500)
    await bench.ward.isolate(await bench.ward.examine(bench.file))
    bench.library.blobs.quarantine_of(bench.file.digest).write_bytes(DATA)
    finding = await bench.ward.examine(bench.file)
    assert finding.ok
    await bench.ward.release(finding)
    assert DATA == bench.library.path_to_load(bench.model).read_bytes()


async def test_peers_are_chunks_of_other_blobs_with_the_same_digest(bench: Bench) -> None:
    """Their bytes are read before they are believed."""
    other = bytearray(DATA)
    other[-1] ^= 1
    (path := bench.library.blobs.path_of(Digest(hashlib.sha256(other).hexdigest()))).write_bytes(other)
    await bench.library.add_from_transfer(
        Plan("hf:o", "hf", "other", "1", ()),
        [ArtifactFile(FileName("o.gguf"), len(other), Digest(path.name))],
    )
    await bench.library.verify("other")
    bench.spoil(2500)
    finding = await bench.ward.examine(bench.file)
    ((_, digest),) = finding.missing
    assert DATA[2000:3000] == await asyncio.to_thread(read_peer, await bench.ward.peers(finding), digest)


async def test_a_removed_model_leaves_nothing_in_quarantine(bench: Bench) -> None:
    """Nobody would come for it."""
    bench.spoil(2500)
    await bench.ward.isolate(await bench.ward.examine(bench.file))
    assert bench.file.size == await bench.library.remove("tiny")
    assert [] == list((bench.library.root / "quarantine").iterdir())


async def test_a_model_that_comes_again_leaves_nothing_in_quarantine(bench: Bench) -> None:
    """The right bytes are in their place."""
    bench.spoil(2500)
    await bench.ward.isolate(await bench.ward.examine(bench.file))
    bench.path.write_bytes(DATA)
    await bench.add("tiny")
    assert [] == list((bench.library.root / "quarantine").iterdir())
