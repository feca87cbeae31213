"""The engine that brings one file from a source to its place. Knows nothing about HTTP, hubs or models.

Bytes are hashed and written in threads while the next ones arrive; at most two blocks are in memory.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from roundhouse.core.artifacts import ArtifactFile, Digest, PlannedFile
from roundhouse.core.errors import DiskError, NetworkError, RoundhouseError, VerifyError
from roundhouse.core.ports import ByteStream, Source
from roundhouse.transfers.bandwidth import Throttle, Throttles
from roundhouse.transfers.partial import READ_BYTES, Partial, remove_leftovers
from roundhouse.transfers.retry import Patience
from roundhouse.transfers.settling import settled

#: The reason in the details of a `DiskError` that more room would cure.
NO_SPACE = "no_space"


class Watcher(Protocol):
    """Who is told how a file is coming along."""

    def advanced(self, received: int, journaled: int) -> None:
        """Bytes of the file that are here, and how many of them are safe."""

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """The source failed; it is tried again after *delay_s*."""


@dataclass(frozen=True, slots=True)
class _Errand:
    """One file that is being brought: what, from where, who is told, and how fast it may come."""

    file: PlannedFile
    source: Source
    watcher: Watcher
    throttle: Throttle


@dataclass(frozen=True, slots=True)
class Landing:
    """Where bytes land: a folder for what is not whole yet, and the place of what is."""

    partials: Path
    place: Callable[[Digest], Path]
    #: Told the chunks of a file that has come to its place: offset, length, digest, in order and without a gap.
    landed: Callable[[Digest, Sequence[tuple[int, int, Digest]]], None] = lambda _digest, _chunks: None


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How the engine works."""

    #: Bytes between two lines of the journal: what a kill may cost.
    chunk_bytes: int = 16 << 20
    #: Bytes handed to the disk at once.
    block_bytes: int = 1 << 20
    #: Seconds of silence after which a connection is given up.
    stall_s: float = 30.0
    patience: Patience = field(default_factory=Patience)


class Fetcher:
    """Fetches files into one landing; two fetches of the same bytes take turns, and the second finds them there."""

    def __init__(
        self, landing: Landing, options: FetchOptions | None = None, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._landing = landing
        self._options = options or FetchOptions()
        self._jitter = jitter
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fetch(
        self, file: PlannedFile, source: Source, watcher: Watcher, throttle: Throttle | None = None
    ) -> ArtifactFile:
        """Bring *file* to its place, going on where an earlier try stopped, as fast as *throttle* allows.

        Raises VerifyError when the bytes are not the promised ones, DiskError, and what the source raises
        once patience has ended.
        """
        key = partial_key(file, source)
        turn = self._turns.setdefault(key, asyncio.Lock())
        with _disk_errors():
            async with turn:
                present = await asyncio.to_thread(self._present, file, key)
                if present is not None:
                    watcher.advanced(present.size, present.size)
                    return present
                async with self._partial(key) as partial:
                    await self._fill(partial, _Errand(file, source, watcher, throttle or Throttles()))
                    digest = await settled(asyncio.to_thread(partial.finish, file.digest, self._landing.place))
                    self._landing.landed(digest, [(each.offset, each.length, each.digest) for each in partial.chunks])
                    return ArtifactFile(file.name, partial.written, digest)

    async def forget(self, file: PlannedFile, scheme: str) -> None:
        """Remove what there is of *file*, unless somebody fetches it at this moment."""
        key = key_of(file, scheme)
        turn = self._turns.setdefault(key, asyncio.Lock())
        if not turn.locked():
            async with turn:
                await settled(asyncio.to_thread(remove_leftovers, self._landing.partials, key))

    def _present(self, file: PlannedFile, key: str) -> ArtifactFile | None:
        """The file, if it is in place and still right: a name and a size prove nothing. Blocks."""
        if file.digest is None:
            return None
        path = self._landing.place(file.digest)
        if not path.is_file() or hash_file(path) != file.digest:
            return None
        remove_leftovers(self._landing.partials, key)
        return ArtifactFile(file.name, path.stat().st_size, file.digest)

    @asynccontextmanager
    async def _partial(self, key: str) -> AsyncIterator[Partial]:
        opened: list[Partial] = []
        try:
            await settled(asyncio.to_thread(self._open, key, opened))
            yield opened[0]
        finally:
            for partial in opened:
                await settled(asyncio.to_thread(partial.close))

    def _open(self, key: str, opened: list[Partial]) -> None:
        opened.append(Partial(self._landing.partials, key, self._options.chunk_bytes))

    async def _fill(self, partial: Partial, errand: _Errand) -> None:
        """Try until every byte is there or patience ends."""
        failures = 0
        while partial.written != errand.file.size:
            before = partial.written
            try:
                await self._attempt(partial, errand)
            except RoundhouseError as error:
                failures = 1 if partial.written > before else failures + 1
                delay_s = self._options.patience.delay_s(error, failures, self._jitter())
                if delay_s is None:
                    raise
                errand.watcher.waiting(error, delay_s)
                await asyncio.sleep(delay_s)
            else:
                return

    async def _attempt(self, partial: Partial, errand: _Errand) -> None:
        """One connection, poured out to its end. Raises NetworkError when it ends early or goes silent."""
        file = errand.file
        silence = asyncio.timeout(self._options.stall_s)
        try:
            async with silence, errand.source.open(file, partial.written) as stream:
                _check_total(file, stream)
                if stream.offset != partial.written:
                    await settled(asyncio.to_thread(_start_over, partial, stream))
                await self._pour(stream, partial, silence, errand)
        except TimeoutError as error:
            message = f"{file.name}: not a byte for {self._options.stall_s:g} s"
            raise NetworkError(message) from error
        size = file.size if file.size is not None else stream.total
        if size is not None and partial.written > size:
            await settled(asyncio.to_thread(partial.discard))
            raise _too_long(file, size)
        if size is not None and partial.written < size:
            message = f"{file.name}: the connection ended after {partial.written} of {size} bytes"
            raise NetworkError(message)

    async def _pour(self, stream: ByteStream, partial: Partial, silence: asyncio.Timeout, errand: _Errand) -> None:
        loop, watcher = asyncio.get_running_loop(), errand.watcher
        writer = _Writer(partial)
        block, received = bytearray(), partial.written
        try:
            async for piece in stream.chunks:
                block += piece
                silence.reschedule(None)  # waiting for our own limit, or for the disk, is not the source's silence
                async for paid in _paid(len(piece), errand.throttle):
                    received += paid
                    watcher.advanced(received, partial.journaled)
                if len(block) >= self._options.block_bytes:
                    await writer.write(block)
                    block = bytearray()
                    if stream.total is not None and received > stream.total:
                        break  # it would fill the disk
                silence.reschedule(loop.time() + self._options.stall_s)
        finally:
            # Also when the connection was cut: what has arrived is kept.
            if not silence.expired():
                silence.reschedule(None)
            await writer.write(block)
            await writer.drain()
            watcher.advanced(partial.written, partial.journaled)


class _Writer:
    """Writes one block in a thread while the next one arrives."""

    def __init__(self, partial: Partial) -> None:
        self._partial = partial
        self._under_way: asyncio.Task[None] | None = None

    async def write(self, block: bytearray) -> None:
        await self.drain()
        self._under_way = asyncio.ensure_future(asyncio.to_thread(self._partial.write, block))

    async def drain(self) -> None:
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            await settled(_result(under_way))


async def _paid(count: int, throttle: Throttle) -> AsyncIterator[int]:
    """Pay for *count* bytes, part by part."""
    while count:
        part = min(count, throttle.grain)
        await throttle.take(part)
        yield part
        count -= part


async def _result(task: asyncio.Task[None]) -> None:
    await task


def partial_key(file: PlannedFile, source: Source) -> str:
    """The name of the partial file: by content where the content is known, so that any later pull goes on with it."""
    return key_of(file, source.scheme)


def key_of(file: PlannedFile, scheme: str) -> str:
    """The same, when only the scheme of the source is known."""
    if file.digest is not None:
        return f"sha256-{file.digest}"
    return f"{scheme}-{hashlib.sha256(file.locator.encode()).hexdigest()}"


def hash_file(path: Path) -> Digest:
    """The digest of a whole file. Blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return Digest(digest.hexdigest())


def _check_total(file: PlannedFile, stream: ByteStream) -> None:
    if file.size is not None and stream.total is not None and stream.total != file.size:
        message = f"{file.name}: the source now has {stream.total} bytes, {file.size} were promised"
        raise VerifyError(message, hint="what it serves has changed; pull again, naming the revision you want")


def _start_over(partial: Partial, stream: ByteStream) -> None:
    if stream.offset != 0:
        message = f"the source sent bytes from {stream.offset} on, {partial.written} was asked for"
        raise NetworkError(message)
    partial.restart()


def _too_long(file: PlannedFile, size: int) -> VerifyError:
    message = f"{file.name}: more than the promised {size} bytes came"
    return VerifyError(message, hint="the source serves something else under that name")


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn what the operating system says about the disk into our error."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "free some space: it goes on where it stopped" if full else None
        message = f"the disk refused: {error.strerror or error}"
        raise DiskError(message, hint=hint, details={"reason": NO_SPACE} if full else {}) from error
