import asyncio
import errno
import hashlib
import random
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest, PlannedFile
from roundhouse.core.errors import (
    DiskError,
    LimitError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
    VerifyError,
)
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.transfers import Fetcher, FetchOptions, Landing, Patience
from roundhouse.transfers.fetch import partial_key

DATA = random.Random(7).randbytes(25_000)
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.advances: list[tuple[int, int]] = []
        self.waits: list[RoundhouseError] = []

    def advanced(self, received: int, journaled: int) -> None:
        """Note it."""
        self.advances.append((received, journaled))

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:  # noqa: ARG002 (the port's words)
        """Note it."""
        self.waits.append(error)


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    """An impatient engine with small chunks, landing in the test's folder."""
    options = FetchOptions(chunk_bytes=4096, block_bytes=1024, stall_s=5, patience=Patience(tries=3, base_s=0.0))
    return Fetcher(Landing(tmp_path / "partials", lambda digest: tmp_path / "blobs" / digest), options)


def blob(tmp_path: Path) -> bytes | None:
    """The file in its place, if it is there."""
    path = tmp_path / "blobs" / DIGEST
    return path.read_bytes() if path.exists() else None


def files(folder: Path) -> list[Path]:
    """Every file below *folder*."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_file_arrives_in_its_place(fetcher: Fetcher, tmp_path: Path) -> None:
    """Its bytes are right and nothing else is left."""
    source = ScriptedSource(DATA)
    arrived = await fetcher.fetch(source.file(), source, Notes())
    assert ("model.gguf", len(DATA), DIGEST) == (arrived.name, arrived.size, arrived.digest)
    assert DATA == blob(tmp_path)
    assert [] == list((tmp_path / "partials").iterdir())


async def test_a_cut_connection_goes_on_where_it_stopped(fetcher: Fetcher, tmp_path: Path) -> None:
    """Every byte that came is kept; none is asked for twice."""
    source = ScriptedSource(DATA, Connection(cut_after=7_000), Connection(cut_after=3_500))
    await fetcher.fetch(source.file(), source, Notes())
    assert [0, 7_000, 10_500] == source.opened
    assert DATA == blob(tmp_path)


async def test_a_connection_that_ends_early_is_a_cut(fetcher: Fetcher) -> None:
    """Fewer bytes than promised are never the file."""
    source = ScriptedSource(DATA, Connection(offset=0, cut_after=5_000))
    notes = Notes()
    await fetcher.fetch(source.file(), source, notes)
    assert [NetworkError] == [type(error) for error in notes.waits]


async def test_a_source_that_cannot_go_on_is_read_from_the_start(fetcher: Fetcher, tmp_path: Path) -> None:
    """Offset 0 instead of the one asked for: what was there is forgotten, not glued."""
    source = ScriptedSource(DATA, Connection(cut_after=9_000), Connection(offset=0))
    await fetcher.fetch(source.file(), source, Notes())
    assert [0, 9_000] == source.opened
    assert DATA == blob(tmp_path)


async def test_bytes_from_another_offset_are_not_taken(fetcher: Fetcher, tmp_path: Path) -> None:
    """A source that starts somewhere else is asked again."""
    source = ScriptedSource(DATA, Connection(cut_after=9_000), Connection(offset=5))
    await fetcher.fetch(source.file(), source, Notes())
    assert [0, 9_000, 9_000] == source.opened
    assert DATA == blob(tmp_path)


async def test_failures_are_counted_from_the_last_byte_of_progress(fetcher: Fetcher) -> None:
    """A source that keeps giving something is never given up."""
    source = ScriptedSource(DATA, *[Connection(cut_after=2_000)] * 8)
    assert (await fetcher.fetch(source.file(), source, Notes())).digest == DIGEST


async def test_patience_ends_without_progress(fetcher: Fetcher, tmp_path: Path) -> None:
    """The error of the last try is the result, and what had come before is kept."""
    source = ScriptedSource(DATA, Connection(cut_after=9_000), *[Connection(error=NetworkError("down"))] * 3)
    with pytest.raises(NetworkError, match="down"):
        await fetcher.fetch(source.file(), source, Notes())
    assert blob(tmp_path) is None
    again = ScriptedSource(DATA)
    await fetcher.fetch(again.file(), again, Notes())
    assert [9_000] == again.opened


@pytest.mark.parametrize("error", [NotFoundError("gone"), LimitError("no", retry_after_s=1e9)], ids=["gone", "absurd"])
async def test_what_will_not_change_is_not_tried_again(fetcher: Fetcher, error: RoundhouseError) -> None:
    """A file that is gone, or a wait beyond all patience, ends at once."""
    source = ScriptedSource(DATA, Connection(error=error))
    with pytest.raises(type(error)):
        await fetcher.fetch(source.file(), source, Notes())
    assert [0] == source.opened


async def test_silence_is_a_cut(tmp_path: Path) -> None:
    """A connection that sends nothing for too long is given up and made anew."""
    options = FetchOptions(block_bytes=1024, stall_s=0.05, patience=Patience(base_s=0.0))
    fetcher = Fetcher(Landing(tmp_path, lambda digest: tmp_path / digest), options)
    source, notes = ScriptedSource(DATA, Connection(stall_after=5_000)), Notes()
    await fetcher.fetch(source.file(), source, notes)
    assert source.silent.is_set()
    assert [0, 5_000] == source.opened


async def test_wrong_bytes_are_refused_and_removed(fetcher: Fetcher, tmp_path: Path) -> None:
    """The right number of wrong bytes is E_VERIFY, and nothing of them stays."""
    wanted = ScriptedSource(DATA).file()
    source = ScriptedSource(bytes(len(DATA)))
    with pytest.raises(VerifyError):
        await fetcher.fetch(wanted, source, Notes())
    assert [] == files(tmp_path)


async def test_a_source_with_another_size_is_refused_before_a_byte(fetcher: Fetcher) -> None:
    """What it serves has changed: no use in fetching it."""
    wanted = ScriptedSource(DATA).file()
    with pytest.raises(VerifyError, match="now has 3 bytes"):
        await fetcher.fetch(wanted, ScriptedSource(b"abc"), Notes())


async def test_an_endless_stream_is_stopped(fetcher: Fetcher, tmp_path: Path) -> None:
    """More bytes than promised are E_VERIFY and leave nothing on the disk."""
    source = ScriptedSource(DATA, Connection(surplus=bytes(50_000)))
    with pytest.raises(VerifyError, match="more than the promised"):
        await fetcher.fetch(source.file(), source, Notes())
    assert [] == files(tmp_path)


async def test_a_file_that_is_there_is_not_fetched(fetcher: Fetcher) -> None:
    """The second fetch of the same bytes opens no connection."""
    source = ScriptedSource(DATA)
    await fetcher.fetch(source.file(), source, Notes())
    again = await fetcher.fetch(source.file("other.gguf"), source, Notes())
    assert ("other.gguf", [0]) == (again.name, source.opened)


async def test_a_damaged_file_is_fetched_again(fetcher: Fetcher, tmp_path: Path) -> None:
    """That a file of that name and size exists proves nothing."""
    source = ScriptedSource(DATA)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / DIGEST).write_bytes(bytes(len(DATA)))
    await fetcher.fetch(source.file(), source, Notes())
    assert DATA == blob(tmp_path)


async def test_two_fetches_of_the_same_bytes_take_turns(fetcher: Fetcher) -> None:
    """Both get the file; it came once."""
    source = ScriptedSource(DATA)
    both = await asyncio.gather(*(fetcher.fetch(source.file(), source, Notes()) for _ in range(2)))
    assert [DIGEST, DIGEST] == [file.digest for file in both]
    assert [0] == source.opened


async def test_a_cancelled_fetch_keeps_what_came(fetcher: Fetcher) -> None:
    """Stopping is not losing: the next fetch goes on."""
    source = ScriptedSource(DATA, Connection(stall_after=6_000))
    task = asyncio.ensure_future(fetcher.fetch(source.file(), source, Notes()))
    await source.silent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fetcher.fetch(source.file(), source, Notes())
    assert [0, 6_000] == source.opened


@pytest.mark.parametrize("size", [0, 1, 4096, 25_000])
async def test_files_without_a_promise_of_size_or_digest_arrive(fetcher: Fetcher, tmp_path: Path, size: int) -> None:
    """The end of the stream is the end of the file, and its digest is what it hashes to."""
    source = ScriptedSource(DATA[:size])
    arrived = await fetcher.fetch(source.file(sized=False, digested=False), source, Notes())
    assert (tmp_path / "blobs" / arrived.digest).read_bytes() == DATA[:size]
    assert size == arrived.size


async def test_progress_tells_what_is_here_and_what_is_safe(fetcher: Fetcher) -> None:
    """What is safe never overtakes what is here, and neither goes back."""
    notes = Notes()
    source = ScriptedSource(DATA, Connection(cut_after=9_000))
    await fetcher.fetch(source.file(), source, notes)
    assert all(journaled <= received for received, journaled in notes.advances)
    assert sorted(notes.advances) == notes.advances
    assert len(DATA) == notes.advances[-1][0]


async def test_a_full_disk_is_an_error_of_ours_and_not_tried_again(tmp_path: Path) -> None:
    """No space is E_DISK; hammering the disk would help nobody."""

    def place(_: Digest) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = ScriptedSource(DATA)
    with pytest.raises(DiskError, match="No space left"):
        await Fetcher(Landing(tmp_path, place)).fetch(source.file(digested=False), source, Notes())
    assert [0] == source.opened


def test_partial_files_are_named_by_content_where_it_is_known() -> None:
    """Any later pull of the same bytes finds them; otherwise the locator tells files apart."""
    from_content, from_place = ScriptedSource(DATA).file(), ScriptedSource(DATA).file(digested=False)
    assert f"sha256-{DIGEST}" == partial_name(from_content)
    assert partial_name(from_place).startswith("fake-")


def partial_name(file: PlannedFile) -> str:
    """The name of its partial file."""
    return partial_key(file, ScriptedSource(DATA))


class Meter:
    """A throttle that lets everything through and counts."""

    grain = 700

    def __init__(self) -> None:
        self.taken: list[int] = []

    async def take(self, count: int) -> None:
        """Count it."""
        self.taken.append(count)


async def test_every_byte_is_paid_for(fetcher: Fetcher) -> None:
    """In parts no larger than the throttle likes, also after a cut."""
    source, meter = ScriptedSource(DATA, Connection(cut_after=9_000)), Meter()
    await fetcher.fetch(source.file(), source, Notes(), meter)
    assert (len(DATA), True) == (sum(meter.taken), max(meter.taken) <= 700)
