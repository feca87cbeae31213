"""What people want of a running transfer: that it waits, goes on, or ends. Knows nothing about what the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.errors import ConflictError, DiskError
from roundhouse.transfers import NO_SPACE
from roundhouse.upkeep.progress import LiveTransfer

_log = structlog.get_logger("roundhouse.upkeep")

_REFUSALS = {
    TransferState.DONE: "it is here already",
    TransferState.FAILED: "it has failed",
    TransferState.CANCELLED: "it was cancelled",
    TransferState.REGISTERING: "all its bytes are here, and it is being registered",
}


class Steering:
    """The wheel of one transfer: work stops within an instant, and begins again when it is wanted again."""

    def __init__(self, live: LiveTransfer, has_room: Callable[[], Awaitable[bool]], look_s: float) -> None:
        self._live, self._has_room, self._look_s = live, has_room, look_s
        self._work: asyncio.Task[None] | None = None
        self._stopping = False
        self._told = asyncio.Event()

    async def tell(self, wanted: TransferState) -> None:
        """Have it be ``PAUSED``, ``QUEUED`` once more, or ``CANCELLED``; durable when this returns.

        The work is told to stop, and nobody waits here for it to let go of its files.
        """
        if self._work is not None and not self._stopping and wanted is not TransferState.QUEUED:
            self._stopping = True
            self._work.cancel()
        self._told.set()
        await self._live.become(wanted)

    async def drive(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do *work*, from its beginning whenever it is wanted again. Raises what it raises; returns when cancelled."""
        while self._live.state is not TransferState.CANCELLED:
            self._told.clear()
            if self._live.lacks_room:
                await self._wait_for_room()
            elif self._live.state is TransferState.PAUSED:
                await self._told.wait()
            elif await self._finished(work):
                return

    async def _wait_for_room(self) -> None:
        """Look once whether there is room again, unless somebody says something before."""
        try:
            async with asyncio.timeout(self._look_s):
                await self._told.wait()
        except TimeoutError:
            if await self._has_room() and self._live.lacks_room:
                await self._live.become(TransferState.QUEUED)

    async def _run_out(self, error: DiskError) -> None:
        _log.warning("a download waits for room", transfer=self._live.id, reason=error.message)
        try:
            await self._live.become(TransferState.PAUSED, error)
        except DiskError:
            # The database may be on the same disk. The row is stale then, and the next start finds out by itself.
            _log.warning("that could not be written down", transfer=self._live.id)

    async def _finished(self, work: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Do *work* until it ends or is told to stop; whether it has ended."""
        self._stopping = False
        task = self._work = asyncio.ensure_future(work())
        try:
            await asyncio.wait([task])
        finally:
            self._work = None
            if not task.done():
                if not self._stopping:  # a second time would keep it from writing down what it has
                    task.cancel()
                await asyncio.wait([task])
        if self._stopping and (task.cancelled() or task.exception() is not None):
            return False
        error = None if task.cancelled() else task.exception()
        if isinstance(error, DiskError) and error.details.get("reason") == NO_SPACE:
            await self._run_out(error)
            return False
        task.result()
        return True


def is_news(transfer: Transfer, wanted: TransferState) -> bool:
    """Whether *transfer* is not yet as it is *wanted*. Raises ConflictError when it is too late for that."""
    if transfer.state is wanted:
        return transfer.state is TransferState.PAUSED and transfer.error is not None  # it would go on by itself
    if transfer.state is TransferState.REGISTERING and wanted is TransferState.QUEUED:
        return False
    if transfer.state is TransferState.REGISTERING:
        raise _too_late(transfer)
    refuse_when_over(transfer)
    return wanted is not TransferState.QUEUED or transfer.state is TransferState.PAUSED


def refuse_when_over(transfer: Transfer) -> None:
    """Raise ConflictError when nothing about *transfer* can be changed any more."""
    if transfer.state.over:
        raise _too_late(transfer)


def _too_late(transfer: Transfer) -> ConflictError:
    message = f"too late to change that download: {_REFUSALS[transfer.state]}"
    if transfer.state in {TransferState.FAILED, TransferState.CANCELLED}:
        return ConflictError(message, hint=f"begin again with `roundhouse pull {transfer.ref.partition('?')[0]}`")
    return ConflictError(message, hint=f"take the model away with `roundhouse models rm {transfer.model}`")
