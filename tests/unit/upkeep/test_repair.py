import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.unit.upkeep.conftest import CHUNK, Bench

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName, Plan, PlannedFile
from roundhouse.core.errors import AuthError, NetworkError, NotFoundError, RoundhouseError
from roundhouse.core.events import Events
from roundhouse.core.ports import ByteStream
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.upkeep import Repairs

DATA = a_gguf(hashlib.shake_256(b"weights").digest(40_000))
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


class Clinic:
    """A library with one model that a source still has, and the repairs of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.library, self.clock = bench, bench.library, FakeClock()
        self.path = bench.library.blobs.path_of(DIGEST)

    def supplied_by(self, source: ScriptedSource, **settings: object) -> Repairs:
        """Repairs that fetch from *source*."""
        self.bench.source = source
        self.repairs = Repairs(self.library, self.bench.make(**settings).supply(), self.clock)
        return self.repairs

    def spoil(self, *offsets: int) -> None:
        """Flip a bit at each of *offsets*."""
        data = bytearray(self.path.read_bytes())
        for offset in offsets:
            data[offset] ^= 1
        self.path.write_bytes(data)

    async def add_a_relative(self) -> Path:
        """A model whose last byte alone is another one."""
        data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        digest = Digest(hashlib.sha256(data).hexdigest())
        path = self.library.blobs.path_of(digest)
        path.write_bytes(data)
        file = ArtifactFile(FileName("o.gguf"), len(data), digest)
        await self.library.add_from_transfer(Plan("hf:other", "hf", "other", "1", ()), [file])
        await self.library.verify("other")
        return path

    async def update(self) -> None:
        """Let another revision be the one that is served, and keep the one of before."""
        data = a_gguf(hashlib.shake_256(b"other weights").digest(9_000))
        file = ArtifactFile(FileName("tiny.gguf"), len(data), Digest(hashlib.sha256(data).hexdigest()))
        self.library.blobs.path_of(file.digest).write_bytes(data)
        keeping = Library(
            self.library.root, self.bench.artifacts, Events(), self.clock, chunk_bytes=CHUNK, keep_revisions=1
        )
        await keeping.add_from_transfer(Plan("hf:tiny", "hf", "tiny", "2", ()), [file])

    def leftovers(self) -> list[Path]:
        """All that the library keeps of any bytes."""
        return [path for path in self.library.root.rglob("sha256-*") if path.is_file()]

    async def is_right(self) -> bool:
        """Whether the bytes are, by every test there is."""
        return (await self.library.verify("tiny")).ok and self.path.read_bytes() == DATA


@pytest.fixture
async def clinic(bench: Bench) -> Clinic:
    """With the model in it, and every chunk known."""
    clinic = Clinic(bench)
    clinic.supplied_by(ScriptedSource(DATA))
    await bench.pull("hf:tiny", "tiny")
    bench.source.opened.clear()
    return clinic


async def test_right_bytes_are_left_alone(clinic: Clinic) -> None:
    """Nobody is asked for anything."""
    done = await clinic.repairs.repair("tiny")
    assert (True, "right", []) == (done.ok, done.files[0].outcome, clinic.bench.source.opened)


async def test_only_the_wrong_chunk_is_fetched(clinic: Clinic) -> None:
    """From where it begins, and no more than it has."""
    clinic.spoil(2 * CHUNK + 7)
    done = await clinic.repairs.repair("tiny")
    assert (True, CHUNK, CHUNK, [2 * CHUNK]) == (
        done.ok,
        done.bytes_damaged,
        done.bytes_fetched,
        clinic.bench.source.opened,
    )
    assert await clinic.is_right()


async def test_a_dry_run_tells_the_truth_and_does_nothing(clinic: Clinic) -> None:
    """What is wrong, and what it would cost."""
    clinic.spoil(7, 2 * CHUNK + 7)
    done = await clinic.repairs.repair("tiny", dry_run=True)
    assert (False, "damaged", 2 * CHUNK, []) == (
        done.ok,
        done.files[0].outcome,
        done.bytes_fetched,
        clinic.bench.source.opened,
    )
    assert not await clinic.is_right()


async def test_a_peer_is_asked_before_the_source(clinic: Clinic) -> None:
    """A model that shares most of its bytes is nearer than any hub."""
    await clinic.add_a_relative()
    clinic.spoil(2 * CHUNK + 7)
    foreseen, done = await clinic.repairs.repair("tiny", dry_run=True), await clinic.repairs.repair("tiny")
    assert (CHUNK, 0, []) == (done.bytes_from_peers, done.bytes_fetched, clinic.bench.source.opened)
    assert (foreseen.bytes_from_peers, foreseen.bytes_fetched) == (CHUNK, 0)
    assert await clinic.is_right()


async def test_peers_help_also_when_nothing_is_left(clinic: Clinic) -> None:
    """Only what they do not have is fetched."""
    await clinic.add_a_relative()
    clinic.path.unlink()
    done = await clinic.repairs.repair("tiny")
    last = len(DATA) % CHUNK
    assert (len(DATA) - last, last) == (done.bytes_from_peers, done.bytes_fetched)
    assert await clinic.is_right()


async def test_a_peer_that_has_rotted_too_is_not_believed(clinic: Clinic) -> None:
    """Its bytes are read before they are used."""
    path = await clinic.add_a_relative()
    path.write_bytes(bytes(path.stat().st_size))
    clinic.spoil(2 * CHUNK + 7)
    done = await clinic.repairs.repair("tiny")
    assert (0, CHUNK) == (done.bytes_from_peers, done.bytes_fetched)
    assert await clinic.is_right()


@pytest.mark.parametrize("known", [True, False], ids=["emptied", "no chunks known"])
async def test_what_is_wrong_all_over_is_fetched_as_a_whole(clinic: Clinic, known: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """As a pull would, in one connection."""
    clinic.spoil(7)
    if known:
        clinic.path.write_bytes(b"")
    else:
        await clinic.bench.artifacts.drop_fingerprints([DIGEST])
    done = await clinic.repairs.repair("tiny")
    assert (True, len(DATA)) == (done.ok, done.bytes_fetched)
    assert await clinic.is_right()


async def test_a_file_that_is_gone_comes_back(clinic: Clinic) -> None:
    """All of it is damaged."""
    clinic.path.unlink()
    done = await clinic.repairs.repair("tiny")
    assert (True, len(DATA)) == (done.ok, done.bytes_damaged)
    assert await clinic.is_right()


async def test_chunks_that_lie_cost_the_whole_file(clinic: Clinic) -> None:
    """Their word does not count against the digest of the whole."""
    known = await clinic.bench.artifacts.fingerprint(DIGEST)
    assert known is not None
    clinic.path.write_bytes(DATA + b"more")
    await clinic.bench.artifacts.put_fingerprint(known.__class__(DIGEST, len(DATA) - 1, 1, CHUNK, known.chunks[:-1]))
    done = await clinic.repairs.repair("tiny")
    assert (True, "repaired") == (done.ok, done.files[0].outcome)
    assert await clinic.is_right()


async def test_a_cut_connection_is_tried_again(clinic: Clinic) -> None:
    """As long as patience lasts, and all bytes that came are counted."""
    clinic.supplied_by(ScriptedSource(DATA, Connection(cut_after=1000)))
    clinic.spoil(7)
    done = await clinic.repairs.repair("tiny")
    assert (True, CHUNK + 1000, [0, 0]) == (done.ok, done.bytes_fetched, clinic.bench.source.opened)


async def test_a_source_that_sends_all_of_it_is_good_enough(clinic: Clinic) -> None:
    """Some servers know no ranges."""
    clinic.supplied_by(ScriptedSource(DATA, Connection(offset=0)))
    clinic.spoil(2 * CHUNK + 7)
    assert (await clinic.repairs.repair("tiny")).ok
    assert await clinic.is_right()


async def test_older_revisions_are_repaired_too(clinic: Clinic) -> None:
    """A rollback may need them; the source of their own time is asked."""
    await clinic.update()
    clinic.spoil(7)
    done = await clinic.repairs.repair("tiny")
    assert [("right", None), ("repaired", "1")] == [(file.outcome, file.revision) for file in done.files]
    assert (True, DATA) == (done.ok, clinic.path.read_bytes())


async def test_an_older_revision_that_nobody_has_does_not_spoil_the_one_that_is_served(clinic: Clinic) -> None:
    """It goes into quarantine, and is told; what is served was read and is right."""
    await clinic.update()
    clinic.supplied_by(ScriptedSource(DATA, *[Connection(error=NetworkError("no line"))] * 9))
    clinic.spoil(7)
    before = (await clinic.library.get("tiny")).verified_at
    clinic.clock.advance(60)
    done = await clinic.repairs.repair("tiny")
    assert (False, ["right", "quarantined"]) == (done.ok, [file.outcome for file in done.files])
    assert before != (await clinic.library.get("tiny")).verified_at


@pytest.mark.parametrize("error", [NetworkError("no line"), NotFoundError("no such revision"), AuthError("who?")])
async def test_what_cannot_be_had_is_put_into_quarantine(clinic: Clinic, error: RoundhouseError) -> None:
    """Nobody can load it, and the reason is told with the file."""
    clinic.supplied_by(ScriptedSource(DATA, *[Connection(error=error)] * 9))
    clinic.spoil(7)
    done = await clinic.repairs.repair("tiny")
    file = done.files[0]
    assert (False, "quarantined", error.code) == (done.ok, file.outcome, (file.error or {})["code"])
    assert {DIGEST} == await clinic.library.quarantined()
    assert "quarantine" in ((await clinic.library.verify("tiny")).files[0].problem or "")


async def test_a_source_that_changed_is_not_believed(clinic: Clinic) -> None:
    """E_VERIFY, and how to get what is there now."""
    clinic.supplied_by(ScriptedSource(DATA[:9] + bytes(100) + DATA[109:]))
    clinic.spoil(7)
    error = (await clinic.repairs.repair("tiny")).files[0].error or {}
    assert ("E_VERIFY", True) == (error["code"], "pull" in str(error["hint"]))


async def test_offline_says_so(clinic: Clinic) -> None:
    """E_OFFLINE, from a source that was not asked."""
    clinic.supplied_by(ScriptedSource(DATA), offline=True)
    clinic.spoil(7)
    done = await clinic.repairs.repair("tiny")
    assert ("E_OFFLINE", []) == ((done.files[0].error or {})["code"], clinic.bench.source.opened)


@pytest.mark.parametrize("way", ["repair", "pull"])
async def test_what_is_in_quarantine_comes_back(clinic: Clinic, way: str) -> None:
    """Once the source can be asked again."""
    clinic.supplied_by(ScriptedSource(DATA), offline=True)
    clinic.spoil(7)
    await clinic.repairs.repair("tiny")
    clinic.supplied_by(ScriptedSource(DATA))
    if way == "repair":
        assert CHUNK == (await clinic.repairs.repair("tiny")).bytes_fetched
    else:
        await clinic.bench.pull("hf:tiny", "tiny")
    assert set() == await clinic.library.quarantined()
    assert await clinic.is_right()


async def test_a_model_that_is_removed_meanwhile_leaves_nothing(clinic: Clinic) -> None:
    """What was repaired for nobody goes."""
    source = Slow(DATA)
    clinic.supplied_by(source)
    clinic.spoil(7)
    repairing = asyncio.ensure_future(clinic.repairs.repair("tiny"))
    await source.asked.wait()
    await clinic.library.remove("tiny")
    source.go_on.set()
    with pytest.raises(NotFoundError):
        await repairing
    assert [] == clinic.leftovers()


class Slow(ScriptedSource):
    """Waits for a word before it serves."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.scheme = "hf"
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def open(self, file: PlannedFile, offset: int, length: int | None = None) -> AsyncIterator[ByteStream]:
        """The bytes, later."""
        self.asked.set()
        await self.go_on.wait()
        async with super().open(file, offset, length) as stream:
            yield stream
