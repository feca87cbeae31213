"""The engine that brings one file from a source to its place. Knows nothing about HTTP, hubs or models.

Who brings the bytes is a `Team`; here they get a place, and only the right ones.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from roundhouse.core.artifacts import ArtifactFile, Digest, PlannedFile
from roundhouse.core.errors import DiskError
from roundhouse.core.ports import Source
from roundhouse.disk.durable import hash_file
from roundhouse.transfers.bandwidth import Throttle, Throttles
from roundhouse.transfers.options import FetchOptions, Watcher
from roundhouse.transfers.partial import Partial, remove_leftovers
from roundhouse.transfers.settling import settled
from roundhouse.transfers.team import ChangedError, Errand, Seats, SurplusError, Team

#: The reason in the details of a `DiskError` that more room would cure.
NO_SPACE = "no_space"


@dataclass(frozen=True, slots=True)
class Landing:
    """Where bytes land: a folder for what is not whole yet, and the place of what is."""

    partials: Path
    place: Callable[[Digest], Path]
    #: Told the chunks of a file that has come to its place: offset, length, digest, in order and without a gap.
    landed: Callable[[Digest, Sequence[tuple[int, int, Digest]]], None] = lambda _digest, _chunks: None


class Fetcher:
    """Fetches files into one landing; two fetches of the same bytes take turns, and the second finds them there."""

    def __init__(
        self, landing: Landing, options: FetchOptions | None = None, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._landing = landing
        self._options = options or FetchOptions()
        self._jitter = jitter
        self._seats = Seats(self._options.all_connections)
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
                async with self._partial(key, watcher) as partial:
                    await self._fill(partial, Errand(file, source, watcher, throttle or Throttles()))
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
    async def _partial(self, key: str, watcher: Watcher) -> AsyncIterator[Partial]:
        opened: list[Partial] = []
        try:
            await settled(asyncio.to_thread(self._open, key, opened))
            yield opened[0]
        finally:
            for partial in opened:
                await settled(asyncio.to_thread(partial.close))
                if not partial.placed:
                    watcher.advanced(partial.journaled, partial.journaled)

    def _open(self, key: str, opened: list[Partial]) -> None:
        opened.append(Partial(self._landing.partials, key, self._options.chunk_bytes))

    async def _fill(self, partial: Partial, errand: Errand) -> None:
        """Until every byte is there; from the beginning when the source changes the file on the way."""
        changes = 0
        while True:
            try:
                await Team(partial, errand, self._options, self._seats, self._jitter).run()
            except ChangedError as error:
                changes += 1
                delay_s = self._options.patience.delay_s(error, changes, self._jitter())
                if delay_s is None:
                    raise
                await settled(asyncio.to_thread(partial.restart))
                errand.watcher.waiting(error, delay_s)
                await asyncio.sleep(delay_s)
            except SurplusError:
                await settled(asyncio.to_thread(partial.discard))
                raise
            else:
                return


def partial_key(file: PlannedFile, source: Source) -> str:
    """The name of the partial file: by content where the content is known, so that any later pull goes on with it."""
    return key_of(file, source.scheme)


def key_of(file: PlannedFile, scheme: str) -> str:
    """The same, when only the scheme of the source is known."""
    if file.digest is not None:
        return f"sha256-{file.digest}"
    return f"{scheme}-{hashlib.sha256(file.locator.encode()).hexdigest()}"


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
