"""Several connections that bring one file together. Knows nothing about HTTP, nor about what is done with the file.

One connection begins. When it has shown that the source can begin anywhere, others join it; each takes the next unit of
the file, so that the front of the file stays close to all of them. One that gets nothing leaves while others
work; the last one tries again as long as patience lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from roundhouse.core.artifacts import PlannedFile
from roundhouse.core.errors import NetworkError, RoundhouseError, VerifyError
from roundhouse.core.ports import ByteStream, Source
from roundhouse.transfers.bandwidth import Throttle, Turnstile
from roundhouse.transfers.options import FetchOptions, Watcher
from roundhouse.transfers.partial import Partial, Stretch
from roundhouse.transfers.settling import settled
from roundhouse.transfers.spans import Span, aligned, gaps

#: What all connections together may hold in memory on their way to the disk, and the least that one holds.
BUFFERS, LEAST_BLOCK = 8 << 20, 1 << 16
#: Connections from which on none of them receives while its last block is being written: the others do.
MANY = 12
#: Bytes that one connection takes on at once, at most.
MOST_UNIT = 64 << 20


class ChangedError(NetworkError):
    """The source serves another version than the one that bytes are here of."""


class SurplusError(VerifyError):
    """More came than was promised: whatever this is, it is not the file."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One file that is being brought: what, from where, who is told, and how fast it may come."""

    file: PlannedFile
    source: Source
    watcher: Watcher
    throttle: Throttle


@dataclass(slots=True)
class Seats:
    """The connections of all files: how many there may be, and how many there are."""

    most: int
    taken: int = 0
    #: Where they queue for the event loop.
    turnstile: Turnstile = field(default_factory=Turnstile)


@dataclass(slots=True)
class _Unit:
    """What one connection is to bring."""

    stretch: Stretch
    #: ``None`` while nobody knows how long the file is. Whoever has nothing to do may take the back half.
    end: int | None
    #: The first byte that has not come; the stretch may still be writing those before it.
    position: int


class Team:
    """The connections of one file."""

    def __init__(
        self, partial: Partial, errand: Errand, options: FetchOptions, seats: Seats, jitter: Callable[[], float]
    ) -> None:
        self._partial, self._errand, self._options, self._seats = partial, errand, options, seats
        self._jitter = jitter
        self._size = errand.file.size
        self._most = _most(self._size, options)
        self._units: list[_Unit] = []
        self._received = sum(end - begin for begin, end in partial.spans)
        # Bytes with a digest prove themselves in the end, wherever earlier ones came from.
        self._version = partial.version if errand.file.digest is None else None
        self._news = (asyncio.Event(), asyncio.Event())
        self._over = False
        self._workers = asyncio.TaskGroup()

    async def run(self) -> None:
        """Until every byte is written. Raises ChangedError, VerifyError, and what the source raises."""
        try:
            async with asyncio.TaskGroup() as keepers:
                for news, work in zip(self._news, (self._partial.commit, self._partial.follow), strict=True):
                    keepers.create_task(self._keep(news, work))
                try:
                    async with self._workers:
                        self._workers.create_task(self._work(self._claim()))
                finally:
                    self._over = True
                    for unit in list(self._units):  # of tasks that were cancelled before they began
                        self._leave(unit)
                    self._moved()
        except ExceptionGroup as failures:
            raise _first(failures) from None

    # What is done beside the connections

    async def _keep(self, news: asyncio.Event, work: Callable[[], bool]) -> None:
        """Make finished chunks safe, or hash what has joined the front, while more comes."""
        while not self._over:
            await news.wait()
            news.clear()
            while await settled(asyncio.to_thread(work)) and not self._over:
                pass
            self._tell()

    def _moved(self) -> None:
        for news in self._news:
            news.set()

    def _tell(self) -> None:
        self._errand.watcher.advanced(self._received, self._partial.journaled)

    # Who does what

    def _hire(self) -> None:
        """Let more connections join, as long as there is something for them to do."""
        while len(self._units) < self._most and self._seats.taken < self._seats.most:
            unit = self._claim()
            if unit is None:
                return
            self._workers.create_task(self._work(unit))

    def _claim(self) -> _Unit | None:
        """The next thing to bring, taken."""
        span = self._next()
        if span is None:
            return None
        unit = _Unit(self._partial.stretch(span[0]), span[1] or None, span[0])
        self._units.append(unit)
        self._seats.taken += 1
        return unit

    def _next(self) -> Span | None:
        if self._size is None:
            return None if self._units else (self._partial.written, 0)
        taken = [*self._partial.spans, *((unit.stretch.begin, unit.end or self._size) for unit in self._units)]
        gap = next(gaps(taken, self._size), None)
        if gap is None:
            return self._halved()
        begin, end = gap
        return gap if self._most == 1 else (begin, min(end, aligned(begin + 1, self._unit_bytes)))

    @property
    def _unit_bytes(self) -> int:
        fair = (self._size or 0) // (4 * self._most)
        return aligned(max(1, min(fair, MOST_UNIT)), self._options.chunk_bytes)

    def _halved(self) -> Span | None:
        """The back half of what the one with the most to do has left."""
        ends = [(unit.end - unit.position, unit) for unit in self._units if unit.end is not None]
        left, unit = max(ends, key=lambda each: each[0], default=(0, None))
        if unit is None or left < 2 * self._options.chunk_bytes:
            return None
        end, unit.end = unit.end, aligned(unit.position + left // 2, self._options.chunk_bytes)
        return None if end is None or unit.end >= end else (unit.end, end)

    def _leave(self, unit: _Unit) -> None:
        self._partial.end(unit.stretch)
        if unit in self._units:
            self._units.remove(unit)
            self._seats.taken -= 1
        self._moved()

    async def _work(self, unit: _Unit | None) -> None:
        failures = 0
        while unit is not None:
            begun = unit.position
            try:
                try:
                    await self._bring(unit)
                finally:
                    self._leave(unit)
                failures = 0
            except ChangedError:
                raise
            except RoundhouseError as error:
                failures = 1 if unit.position > begun else failures + 1
                if unit.position == begun and self._units and error.retryable:
                    self._most = max(1, len(self._units))  # too many for the source; the others go on
                    return
                delay_s = self._options.patience.delay_s(error, failures, self._jitter())
                if delay_s is None:
                    raise
                self._errand.watcher.waiting(error, delay_s)
                await asyncio.sleep(delay_s)
            unit = self._claim()

    # One connection

    async def _bring(self, unit: _Unit) -> None:
        """One connection, poured out to its end. Raises NetworkError when it ends early or goes silent."""
        file = self._errand.file
        silence = asyncio.timeout(self._options.stall_s)
        try:
            async with silence, self._errand.source.open(file, unit.position, self._length(unit)) as stream:
                await self._admit(stream, unit)
                await self._pour(stream, unit, silence)
        except TimeoutError as error:
            message = f"{file.name}: not a byte for {self._options.stall_s:g} s"
            raise NetworkError(message) from error
        end = unit.end if unit.end is not None else stream.total
        if end is not None and unit.position < end:
            message = f"{file.name}: the connection ended after {unit.position} of {self._size or end} bytes"
            raise NetworkError(message)
        self._size = unit.position if self._size is None else self._size

    def _length(self, unit: _Unit) -> int | None:
        """How much to ask for: to the end of the file is asked without a number, which every server understands."""
        return None if unit.end is None or (self._most == 1 and unit.end == self._size) else unit.end - unit.position

    async def _admit(self, stream: ByteStream, unit: _Unit) -> None:
        """Make sure that *stream* is what was asked for. Raises VerifyError, ChangedError, NetworkError."""
        self._check_total(stream)
        if self._size is None and stream.total is not None:
            self._size = unit.end = stream.total
        other = None not in {stream.version, self._version} and stream.version != self._version
        elsewhere = stream.offset != unit.position
        whole = stream.offset == 0 and stream.length is None
        if (other or elsewhere) and not (whole and self._units == [unit]):
            raise self._unfit(stream, unit, other=other)
        if other or elsewhere:
            await settled(asyncio.to_thread(self._start_over, unit))
        if stream.length is not None:
            await self._note(stream.version)
            self._hire()
            return
        if self._units == [unit] and unit.position == 0:
            self._most, unit.end = 1, self._size  # it knows no ranges, or none were asked for
        await self._note(stream.version)

    async def _note(self, version: str | None) -> None:
        if version is None or self._version is not None:
            return
        self._version = version
        if self._errand.file.digest is None:
            await settled(asyncio.to_thread(self._partial.note, version))

    def _check_total(self, stream: ByteStream) -> None:
        file = self._errand.file
        if file.size is not None and stream.total is not None and stream.total != file.size:
            message = f"{file.name}: the source now has {stream.total} bytes, {file.size} were promised"
            raise VerifyError(message, hint="what it serves has changed; pull again, naming the revision you want")

    def _unfit(self, stream: ByteStream, unit: _Unit, *, other: bool) -> NetworkError:
        if other:
            message = f"{self._errand.file.name}: the source has changed it in the meantime; beginning again"
            return ChangedError(message)
        message = f"the source sent bytes from {stream.offset} on, {unit.position} was asked for"
        return NetworkError(message)

    def _start_over(self, unit: _Unit) -> None:
        """Forget what is here, and let *unit* be the whole file."""
        self._partial.restart()
        self._version, self._received = None, 0
        unit.stretch, unit.position, unit.end = self._partial.stretch(0), 0, self._size
        self._most = 1

    async def _pour(self, stream: ByteStream, unit: _Unit, silence: asyncio.Timeout) -> None:
        loop, writer = asyncio.get_running_loop(), _Writer(unit.stretch, self._moved)
        block: list[bytes] = []
        held = 0
        try:
            async for piece in stream.chunks:
                taken = self._wanted(piece, unit)
                unit.position += len(taken)
                block.append(taken)
                held += len(taken)
                silence.reschedule(None)  # waiting for our own limit, or for the disk, is not the source's silence
                async for paid in _paid(len(taken), self._errand.throttle):
                    self._received += paid
                    self._tell()
                if held >= self._block_bytes:
                    await writer.write(block)
                    block, held = [], 0
                    if self._seats.taken >= MANY:
                        await writer.drain()
                if unit.end is not None and unit.position >= unit.end and unit.end != self._size:
                    break
                await self._seats.turnstile.wait()
                silence.reschedule(loop.time() + self._options.stall_s)
        finally:
            # Also when the connection was cut: what has arrived is kept.
            if not silence.expired():
                silence.reschedule(None)
            await writer.write(block)
            await writer.drain()
            self._tell()

    def _wanted(self, piece: bytes, unit: _Unit) -> bytes:
        """What of *piece* is ours to bring. Raises SurplusError when the file is longer than promised."""
        if unit.end is None or unit.position + len(piece) <= unit.end:
            return piece
        if unit.end == self._size:
            message = f"{self._errand.file.name}: more than the promised {self._size} bytes came"
            raise SurplusError(message, hint="the source serves something else under that name")
        return piece[: max(0, unit.end - unit.position)]

    @property
    def _block_bytes(self) -> int:
        return min(self._options.block_bytes, max(LEAST_BLOCK, BUFFERS // (2 * max(1, self._seats.taken))))


class _Writer:
    """Writes one block in a thread while the next one arrives."""

    def __init__(self, stretch: Stretch, moved: Callable[[], None]) -> None:
        self._stretch, self._moved = stretch, moved
        self._under_way: asyncio.Task[None] | None = None

    async def write(self, pieces: Sequence[bytes]) -> None:
        await self.drain()
        if pieces:
            self._under_way = asyncio.ensure_future(asyncio.to_thread(self._write, pieces))

    def _write(self, pieces: Sequence[bytes]) -> None:
        # Large pieces are not copied once more; small ones would cost a call of the system each.
        few = sum(map(len, pieces)) >= len(pieces) * LEAST_BLOCK
        for block in pieces if few else [b"".join(pieces)]:
            self._stretch.write(block)

    async def drain(self) -> None:
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            await settled(_result(under_way))
            self._moved()


async def _result(task: asyncio.Task[None]) -> None:
    await task


async def _paid(count: int, throttle: Throttle) -> AsyncIterator[int]:
    """Pay for *count* bytes, part by part."""
    while count:
        part = min(count, throttle.grain)
        await throttle.take(part)
        yield part
        count -= part


def _most(size: int | None, options: FetchOptions) -> int:
    """How many connections a file of *size* is worth."""
    return 1 if size is None else max(1, min(options.connections, size // max(1, options.least_range_bytes)))


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """The error that began it: those that say most come first."""
    flat: Sequence[Exception] = [
        _first(each) if isinstance(each, ExceptionGroup) else each for each in failures.exceptions
    ]
    return next((each for each in flat if not isinstance(each, NetworkError)), flat[0])
