"""Who may work now, and who is next: at most so many transfers at a time. Knows nothing about what they do.

The next one is chosen when a place falls free, by the priority that it has at that moment. Nobody is sent away again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol


class Waiting(Protocol):
    """Somebody who wants a place."""

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The smallest is next; may change while waiting."""


class Queue:
    """A number of places, and those who wait for one."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[asyncio.Future[None], Waiting] = {}

    @asynccontextmanager
    async def place(self, who: Waiting) -> AsyncIterator[None]:
        """A place for *who*, once it is their turn."""
        await self._enter(who)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, who: Waiting) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = who
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, None) is None:
                self._leave()  # the place was given to somebody who had just left
            raise

    def _leave(self) -> None:
        """Give the place to whoever is next."""
        if not self._waiting:
            self._free += 1
            return
        turn = min(self._waiting, key=lambda each: self._waiting[each].rank)
        del self._waiting[turn]
        turn.set_result(None)
