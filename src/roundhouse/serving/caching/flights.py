"""One answer on its way to everybody who asked the same: one call upstream. Knows nothing about keys or caches.

The work belongs to nobody who waits for it: whoever leaves takes nothing away from the others, and with the last of
them the work is stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Answer, Chunk
from roundhouse.serving.attempts import Served


class Flight:
    """An answer on its way. Readers `join`, `wait` as often as they like, and `leave`."""

    __slots__ = (
        "_changed",
        "_readers",
        "answer",
        "error",
        "is_over",
        "is_second",
        "is_stopped",
        "leader",
        "pieces",
        "served",
        "task",
    )

    def __init__(self, leader: str, *, is_second: bool) -> None:
        #: The id of the request that it was begun for.
        self.leader = leader
        #: Begun because the first one failed: nobody begins a third.
        self.is_second = is_second
        self.served: Served | None = None
        self.answer: Answer | None = None
        self.pieces: list[Chunk] = []
        self.error: BaseException | None = None
        self.is_over = False
        #: Nobody waits for it any more: whoever asks now begins another one.
        self.is_stopped = False
        self.task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._readers = 0

    def join(self) -> None:
        """One more waits for it."""
        self._readers += 1

    async def leave(self) -> None:
        """One less; the last one stops the work and waits until it stands still."""
        self._readers -= 1
        if self._readers == 0 and self.task is not None and not self.task.done() and not self.is_over:
            self.is_stopped = True
            self.task.cancel()
            await asyncio.wait([self.task])

    async def wait(self, ready: Callable[[Flight], bool]) -> None:
        """Until *ready*, or over. Raises what the work failed with."""
        while not (self.is_over or ready(self)):
            await self._changed.wait()
        if self.error is not None and not ready(self):
            raise self.error

    def told(self) -> None:
        """Wake whoever waits: something is new."""
        self._changed.set()
        self._changed = asyncio.Event()

    def ended(self, error: BaseException | None = None) -> None:
        """There is nothing more to come."""
        if not self.is_over:
            self.error, self.is_over = error, True
            self.told()


class Flights:
    """All that are on their way, by key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def get(self, key: str) -> Flight | None:
        """The one under *key* that can still be joined."""
        flight = self._by_key.get(key)
        return None if flight is None or flight.is_stopped else flight

    def begin(self, key: str, flight: Flight, work: Callable[[Flight], Awaitable[None]]) -> Flight:
        """Start the *work* of *flight* under *key*, in place of one that is there."""
        self._by_key[key] = flight
        flight.task = asyncio.create_task(self._fly(key, flight, work))
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        return flight

    async def close(self) -> None:
        """Stop all of them."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _fly(self, key: str, flight: Flight, work: Callable[[Flight], Awaitable[None]]) -> None:
        try:
            await work(flight)
        except BaseException as error:
            self._land(key, flight, error)
            # What failed is told to those who wait; a bug or a cancellation is also this task's own end.
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._land(key, flight, None)

    def _land(self, key: str, flight: Flight, error: BaseException | None) -> None:
        if self._by_key.get(key) is flight:
            del self._by_key[key]
        flight.ended(error)


def may_begin_again(flight: Flight, error: BaseException) -> bool:
    """Whether one of those who only followed *flight* shall try what its leader failed with."""
    return isinstance(error, RoundhouseError) and error.retryable and not flight.is_second
