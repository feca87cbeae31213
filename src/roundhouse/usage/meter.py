"""Takes a record per request and sees that it reaches the ledger. Knows no SQL and no HTTP.

    record() -> memory -> spool file -> ledger

Two tasks: one moves records from memory to the spool, a quarter of a second after they came, however slow the ledger
is; the other moves them from the spool to the ledger and tries again for as long as the ledger is away. So a kill
loses at most that quarter of a second, and memory stays bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from roundhouse.core.errors import DiskError, RoundhouseError, SchemaError
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Ledger
from roundhouse.usage.spool import Spool

_log = structlog.get_logger("roundhouse.usage")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long records may wait, and how many."""

    #: Seconds in memory.
    interval_s: float = 0.25
    #: So many do not wait for the interval to end.
    batch: int = 500
    #: So many may stand in memory; then whoever brings one more writes the spool itself.
    room: int = 10_000
    #: Seconds until a ledger that failed is tried again; doubles each time.
    retry_s: float = 0.5
    retry_most_s: float = 30.0
    #: Seconds that `close` gives the ledger; what is left waits in the spool for the next start.
    close_s: float = 2.0


class Meter:
    """Writes usage behind the requests. All of it belongs to one event loop."""

    def __init__(self, ledger: Ledger, spool: Path, pace: Pace | None = None) -> None:
        self._ledger = ledger
        self._path = spool
        self._pace = pace or Pace()
        self._queue: list[UsageRecord] = []
        self._some, self._many, self._stored = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._delivery = asyncio.Lock()
        #: Where the first record stands in the spool that the ledger does not have.
        self._position = 0
        self._closing = False

    async def start(self) -> None:
        """Open the spool, and deliver what an earlier run left in it. Raises DiskError."""
        self._spool = await asyncio.to_thread(Spool, self._path)
        self._stored.set()
        self._storer = asyncio.create_task(self._storing())
        self._deliverer = asyncio.create_task(self._delivering())

    def record(self, record: UsageRecord) -> None:
        """Take *record*; returns at once."""
        queue = self._queue
        queue.append(record)
        waiting = len(queue)
        if waiting == 1:
            self._some.set()
        if waiting == self._pace.batch:
            self._many.set()
        if waiting > self._pace.room:
            self._spill()

    async def flush(self) -> None:
        """Move every record taken so far into the ledger. Raises what it raises; they wait in the spool then."""
        await self._store()
        await self._deliver_all()

    async def close(self) -> None:
        """Store everything, give the ledger a moment to take it, and stop."""
        self._closing = True
        self._some.set()
        self._many.set()
        await self._storer  # never cancelled: a thread may hold the last batch
        self._deliverer.cancel()
        await asyncio.wait([self._deliverer])
        try:
            async with asyncio.timeout(self._pace.close_s):
                await self.flush()
        except (RoundhouseError, TimeoutError) as error:
            _log.warning("usage waits in the spool", bytes=self._spool.size, reason=str(error) or "the ledger is slow")
        finally:
            self._spool.close()

    async def _storing(self) -> None:
        while not self._closing:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.interval_s):
                    await self._many.wait()
            await self._store()

    async def _delivering(self) -> None:
        pause = self._pace.retry_s
        while True:
            await self._stored.wait()
            self._stored.clear()
            try:
                await self._deliver_all()
            except Exception as error:  # noqa: BLE001 - the boundary of this job: records stay in the spool, and it tries again
                _log.warning("usage waits in the spool", bytes=self._spool.size, reason=str(error), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._pace.retry_most_s)
                self._stored.set()
            else:
                pause = self._pace.retry_s

    async def _store(self) -> None:
        """Memory to spool; straight to the ledger when the disk refuses; else they go on waiting in memory."""
        records, self._queue = self._queue, []
        self._some.clear()
        self._many.clear()
        if not records:
            return
        try:
            await asyncio.to_thread(self._spool.append, records)
            self._stored.set()
        except DiskError as refused:
            try:
                await self._deliver(records)
            except RoundhouseError as error:
                _log.error("usage waits in memory", records=len(records), spool=str(refused), ledger=str(error))
                self._queue[:0] = records
                self._some.set()
                self._forget_oldest()

    def _spill(self) -> None:
        """Memory is full because the event loop or the disk is slow: write here and now rather than lose."""
        try:
            self._spool.append(self._queue)
        except DiskError:
            self._forget_oldest()
        else:
            self._queue = []
            self._stored.set()

    def _forget_oldest(self) -> None:
        excess = len(self._queue) - self._pace.room
        if excess > 0:
            del self._queue[:excess]
            _log.error("usage is lost: no disk, no ledger, no memory", records=excess)

    async def _deliver_all(self) -> None:
        """Spool to ledger, from where it stopped last time."""
        async with self._delivery:
            while self._position < self._spool.size:
                piece = await asyncio.to_thread(self._spool.read, self._position)
                if piece.broken:
                    _log.warning("the spool holds lines that are no records", lines=piece.broken)
                await self._deliver(piece.records)
                self._position = piece.end
            if self._position and self._spool.forget(self._position):
                self._position = 0

    async def _deliver(self, records: Sequence[UsageRecord]) -> None:
        """Give *records* to the ledger; one that it will never take must not keep the others out."""
        try:
            await self._ledger.append(records)
        except SchemaError as error:
            if len(records) == 1:
                _log.error("the ledger refuses a record", id=records[0].id, reason=str(error))
                return
            middle = len(records) // 2
            await self._deliver(records[:middle])
            await self._deliver(records[middle:])
