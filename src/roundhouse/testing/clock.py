"""A clock that stands still until it is told to go on. Knows nothing about the machine's time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time in the hands of a test."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Wall time, UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until so much of this time has passed in `run`."""
        waiting = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds + seconds, waiting))
        await waiting

    async def run(self, seconds: float) -> None:
        """Let time pass from one sleeper's end to the next; whoever is awake runs until all sleep."""
        end = self._seconds + seconds
        await _settle()
        while self._sleepers and (due := min(at for at, _ in self._sleepers)) <= end:
            self._seconds = max(self._seconds, due)
            ready = [waiting for at, waiting in self._sleepers if at <= due]
            self._sleepers = [(at, waiting) for at, waiting in self._sleepers if at > due]
            for waiting in ready:
                if not waiting.done():
                    waiting.set_result(None)
            await _settle()
        self._seconds = end


async def _settle() -> None:
    """Let tasks run that are ready, and those that they wake."""
    for _ in range(20):
        await asyncio.sleep(0)
