"""Several connections for one file, through the engine that uses them."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest, PlannedFile
from roundhouse.core.errors import LimitError, NetworkError, NotFoundError, RoundhouseError
from roundhouse.core.ports import ByteStream
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.transfers import Fetcher, FetchOptions, Landing, Patience

DATA = random.Random(9).randbytes(100_000)
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())
VERSIONED = Connection(version='"one"')


class Notes:
    """A watcher that remembers the waits."""

    def __init__(self) -> None:
        self.waits: list[RoundhouseError] = []

    def advanced(self, received: int, journaled: int) -> None:
        """Not of interest."""

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:  # noqa: ARG002 (the port's words)
        """Note it."""
        self.waits.append(error)


class Counting(ScriptedSource):
    """A source that counts its open connections."""

    now = most = 0

    @asynccontextmanager
    async def open(self, file: PlannedFile, offset: int, length: int | None = None) -> AsyncIterator[ByteStream]:
        """One more, until it is left."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            async with super().open(file, offset, length) as stream:
                yield stream
        finally:
            self.now -= 1


def a_fetcher(root: Path, **options: object) -> Fetcher:
    """Four connections, small chunks, little patience."""
    chosen = {
        "chunk_bytes": 4096,
        "block_bytes": 1024,
        "stall_s": 0.2,
        "patience": Patience(tries=3, base_s=0.0),
        "connections": 4,
        "least_range_bytes": 8192,
    }
    fetch = FetchOptions(**{**chosen, **options})  # type: ignore[arg-type]  # the table names the fields
    return Fetcher(Landing(root / "partials", lambda digest: root / "blobs" / digest), fetch)


async def fetched(root: Path, source: ScriptedSource, **options: object) -> bytes:
    """What is in its place after one fetch."""
    await a_fetcher(root, **options).fetch(source.file(), source, Notes())
    return (root / "blobs" / DIGEST).read_bytes()


async def test_several_connections_bring_one_file(tmp_path: Path) -> None:
    """Each byte is asked for once, and the bytes are right."""
    source = Counting(DATA)
    assert DATA == await fetched(tmp_path, source)
    assert (4, len(DATA)) == (source.most, sum(length or 0 for length in source.lengths))


async def test_small_files_have_one_connection(tmp_path: Path) -> None:
    """It asks for all of it, which every server understands."""
    source = Counting(DATA)
    await fetched(tmp_path, source, least_range_bytes=1 << 20)
    assert ([0], [None], 1) == (source.opened, source.lengths, source.most)


async def test_all_files_together_stay_below_the_cap(tmp_path: Path) -> None:
    """Beyond it every file has one connection."""
    source = Counting(DATA)
    await fetched(tmp_path, source, all_connections=2)
    assert source.most == 2


async def test_a_source_without_ranges_sends_one_stream(tmp_path: Path) -> None:
    """Found out by the first connection, which goes on."""
    source = ScriptedSource(DATA, Connection(offset=0))
    assert DATA == await fetched(tmp_path, source)
    assert [0] == source.opened


@pytest.mark.parametrize("version", ['"two"', '"three"'])
async def test_two_versions_are_never_mixed(tmp_path: Path, version: str) -> None:
    """A connection that shows another one has the file begun again."""
    source = ScriptedSource(
        DATA, VERSIONED, VERSIONED, Connection(version=version), *[Connection(version=version)] * 99
    )
    assert DATA == await fetched(tmp_path, source)
    assert source.opened.count(0) == 2


async def test_a_source_that_never_stays_the_same_is_given_up(tmp_path: Path) -> None:
    """Named for what it is."""
    source = ScriptedSource(DATA, *[Connection(version=f'"{number}"') for number in range(99)])
    with pytest.raises(NetworkError, match="changed"):
        await fetched(tmp_path, source)


async def test_versions_are_told_apart_across_restarts(tmp_path: Path) -> None:
    """Where no digest would tell in the end."""
    source = ScriptedSource(
        DATA, Connection(cut_after=50_000, version='"one"'), *[Connection(error=NotFoundError("x"))]
    )
    file = source.file(digested=False)
    with pytest.raises(NotFoundError):
        await a_fetcher(tmp_path, connections=1).fetch(file, source, Notes())
    other = ScriptedSource(DATA[::-1], *[Connection(version='"two"')] * 9)
    arrived = await a_fetcher(tmp_path, connections=1).fetch(file, other, Notes())
    assert hashlib.sha256(DATA[::-1]).hexdigest() == arrived.digest


@pytest.mark.parametrize(
    "error", [LimitError("too many"), LimitError("too many", retry_after_s=1e9), NetworkError("refused")]
)
async def test_one_too_many_leaves_and_the_others_go_on(tmp_path: Path, error: RoundhouseError) -> None:
    """Nobody waits, and nobody gives up."""
    source = Counting(DATA, Connection(), *[Connection(error=error)] * 2)
    assert DATA == await fetched(tmp_path, source)


async def test_every_connection_may_be_cut(tmp_path: Path) -> None:
    """Over and over, as long as something comes."""
    source = ScriptedSource(DATA, *[Connection(cut_after=3_000)] * 20)
    assert DATA == await fetched(tmp_path, source)
    assert sum(1 for _ in source.opened) > 20


async def test_a_stalled_connection_is_made_anew(tmp_path: Path) -> None:
    """While the others go on."""
    source = ScriptedSource(DATA, Connection(), Connection(stall_after=2_000))
    assert DATA == await fetched(tmp_path, source)
    assert source.silent.is_set()


async def test_a_cancelled_team_keeps_what_came(tmp_path: Path) -> None:
    """From every connection; none of it is asked for again."""
    source = ScriptedSource(DATA, *[Connection(stall_after=5_000)] * 4)
    task = asyncio.ensure_future(a_fetcher(tmp_path, stall_s=60).fetch(source.file(), source, Notes()))
    while len(source.opened) < 4:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = ScriptedSource(DATA)
    assert DATA == await fetched(tmp_path, again)
    assert sum(length or 0 for length in again.lengths) < len(DATA)


async def test_what_will_not_change_ends_all_of_them(tmp_path: Path) -> None:
    """A file that is gone is gone for every connection."""
    source = Counting(DATA, Connection(), Connection(error=NotFoundError("gone")))
    with pytest.raises(NotFoundError):
        await fetched(tmp_path, source)
    assert source.now == 0
