"""A running transfer as people see it: how far, how fast, how long. Knows nothing about what is fetched.

The durable row is written when something changes and at most once a second in between; the live numbers stay in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.ports import Transfers
from roundhouse.transfers import Bandwidth, settled

#: Seconds that the rate is averaged over.
RATE_WINDOW_S = 10.0
WRITE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A transfer, and how it is moving."""

    transfer: Transfer
    #: Bytes per second over the last seconds; ``None`` when it does not move.
    rate: float | None = None
    eta_s: float | None = None
    #: Bytes that are hashed, written and journaled.
    verified: int | None = None


class FileProgress:
    """One file of a running transfer: the engine's `Watcher`."""

    def __init__(self, owner: LiveTransfer) -> None:
        self._owner = owner
        #: Bytes that are here, and how many of them are safe.
        self.received = self.journaled = 0

    def advanced(self, received: int, journaled: int) -> None:
        """Note how far it is."""
        self.received, self.journaled = received, journaled
        self._owner.moved()

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """Note that the source failed and is tried again."""
        self._owner.waiting(error, delay_s)


class LiveTransfer:
    """One transfer while its job runs."""

    def __init__(self, transfer: Transfer, transfers: Transfers, clock: Clock) -> None:
        self._transfer, self._transfers, self._clock = transfer, transfers, clock
        self._files: list[FileProgress] = []
        self._samples: deque[tuple[float, int]] = deque(maxlen=64)
        #: What people were told to be safe: never less than before, also when a file has to begin again.
        self._verified = 0
        self._dirty = asyncio.Event()
        self._writing = asyncio.Lock()
        #: What this one alone may take.
        self.bandwidth = Bandwidth(clock, transfer.bandwidth)

    @property
    def state(self) -> TransferState:
        """Where it is."""
        return self._transfer.state

    @property
    def lacks_room(self) -> bool:
        """Whether it is paused because the disk is full, and goes on by itself."""
        return self.state is TransferState.PAUSED and self._transfer.error is not None

    @property
    def begun(self) -> bool:
        """Whether some of its bytes are here."""
        return self._transfer.bytes_done > 0

    @property
    def stands(self) -> bool:
        """Whether nothing of it should move: people want it to wait, or to end."""
        return self.state in {TransferState.PAUSED, TransferState.CANCELLED}

    @property
    def id(self) -> str:
        """The transfer's id."""
        return self._transfer.id

    @property
    def principal(self) -> str | None:
        """Who started it."""
        return self._transfer.principal

    @property
    def left(self) -> int:
        """Bytes that this transfer will still put on the disk, as far as is known; a paused one takes no room."""
        return (
            0
            if self.stands
            else max(0, (self._transfer.bytes_total or 0) - max(self._transfer.bytes_done, self._received))
        )

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """Where it stands among those that wait: the most urgent first, then the oldest."""
        return (-self._transfer.priority, self._transfer.created_at, self.id)

    @property
    def _received(self) -> int:
        return sum(file.received for file in self._files)

    @property
    def _safe(self) -> int:
        return max(self._transfer.bytes_done, self._verified)

    async def enter(self, state: TransferState, *, model: str | None = None, total: int | None = None) -> None:
        """Say durably that the transfer is in *state* now."""
        self._transfer = replace(
            self._transfer,
            state=state,
            model=model or self._transfer.model,
            bytes_total=self._transfer.bytes_total if total is None else total,
            error=None,
        )
        await self._write()

    async def become(self, state: TransferState, reason: RoundhouseError | None = None) -> None:
        """Say durably what it has to be from outside: paused (for a *reason*), queued once more, or cancelled."""
        self._samples.clear()
        self._transfer = replace(self._transfer, state=state, error=None if reason is None else reason.to_dict())
        await self._write()

    async def adjust(self, change: Callable[[Transfer], Transfer]) -> None:
        """Let its limit or its priority be another one from now on, and say so durably."""
        self._transfer = change(self._transfer)
        self.bandwidth.limit = self._transfer.bandwidth
        await self._write()

    def begin(self) -> None:
        """Count from nothing: the job runs from its beginning, and is told again what is here."""
        self._files.clear()
        self._samples.clear()

    def watch(self) -> FileProgress:
        """One more file."""
        self._files.append(FileProgress(self))
        return self._files[-1]

    async def fail(self, error: RoundhouseError) -> None:
        """Say durably that it is over, and why."""
        self._transfer = replace(self._transfer, state=TransferState.FAILED, error=error.to_dict())
        await self._write()

    def moved(self) -> None:
        """Note that a file has come further."""
        self._verified = max(self._verified, sum(file.journaled for file in self._files))
        if self._transfer.error is not None and not self.stands:
            self._transfer = replace(self._transfer, error=None)
        self._sample()
        self._dirty.set()

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """Note that the source failed and is tried again."""
        shown = error.to_dict() | {"retry_in_s": round(delay_s, 1)}
        self._transfer = replace(self._transfer, error=shown)
        self._dirty.set()

    def _sample(self) -> None:
        now = self._clock.monotonic()
        if not self._samples or now - self._samples[-1][0] >= RATE_WINDOW_S / 50:
            self._samples.append((now, self._received))
        while now - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()

    def progress(self) -> Progress:
        """How it stands at this moment."""
        done = max(self._transfer.bytes_done, self._received)
        rate = self._rate()
        eta_s = self.left / rate if rate and self._transfer.bytes_total else None
        return Progress(replace(self._transfer, bytes_done=done), rate, eta_s, self._safe)

    def _rate(self) -> float | None:
        now = self._clock.monotonic()
        recent = [(then, count) for then, count in self._samples if now - then <= RATE_WINDOW_S]
        if not recent or now <= recent[0][0]:
            return None
        rate = (recent[-1][1] - recent[0][1]) / (now - recent[0][0])
        return rate if rate > 0 else None

    async def keep_written(self) -> None:
        """Write the row whenever it has changed, until cancelled."""
        while True:
            await self._dirty.wait()
            await self._write()
            await asyncio.sleep(WRITE_EVERY_S)

    async def _write(self) -> None:
        """Write the row; the next one waits, because what overtook it would be undone by it."""
        async with self._writing:
            self._dirty.clear()
            self._transfer = replace(self._transfer, bytes_done=self._safe, updated_at=self._clock.now())
            await settled(self._transfers.put(self._transfer))
