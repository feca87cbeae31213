"""How many bytes may come in, in a second and in a turn of the loop. Knows nothing about what they are.

A bucket of tokens that all streams of one limit draw from, first come first served. Bytes are paid for after they have
arrived, so the bucket may be in debt; whoever is in debt waits. The limit can be changed at any moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from roundhouse.core.clock import Clock

#: Seconds of the limit that may be saved up: what may come at once after a pause.
SAVED_S = 0.1
#: Seconds after which a waiting stream looks whether the limit has changed.
LOOK_S = 0.25
#: Bytes that are paid for at once, at most and at least.
COARSE, FINE = 1 << 16, 1 << 10


#: Pieces that all connections together may take in one turn of the event loop.
PIECES = 2


class Turnstile:
    """Lets so many through in one turn of the event loop: whoever else lives on it is served in between.

    A connection that does not take its piece is not read from, so that fifty of them cannot fill a turn.
    """

    def __init__(self, most: int = PIECES) -> None:
        self._most, self._gone = most, 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_turning = False

    async def wait(self) -> None:
        """Return when it is our turn: at once as long as few want to."""
        self._turn_later()
        if self._gone < self._most and not self._waiting:
            self._gone += 1
            return
        ours = asyncio.get_running_loop().create_future()
        self._waiting.append(ours)
        await ours

    def _turn_later(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_turning, self._gone = False, 0
        while self._waiting and self._gone < self._most:
            ours = self._waiting.popleft()
            if not ours.done():  # else it was cancelled
                ours.set_result(None)
                self._gone += 1
        if self._gone:
            self._turn_later()


class Throttle(Protocol):
    """What a stream asks before it takes more."""

    @property
    def grain(self) -> int:
        """Bytes to pay for at once, so that the limit is kept smoothly."""

    async def take(self, count: int) -> None:
        """Return when *count* bytes are paid for."""


class Bandwidth:
    """One limit, shared by all who hold it."""

    def __init__(
        self, clock: Clock, limit: int | None = None, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        #: Bytes per second; ``None`` is as fast as it comes.
        self.limit = limit
        self._clock, self._sleep = clock, sleep
        self._tokens, self._filled_at = 0.0, clock.monotonic()
        self._turn = asyncio.Lock()

    @property
    def grain(self) -> int:
        """Bytes to pay for at once: never more than half of what may be saved."""
        return COARSE if not self.limit else max(FINE, min(COARSE, int(self.limit * SAVED_S / 2)))

    async def take(self, count: int) -> None:
        """Return when *count* bytes are paid for."""
        if not self.limit:
            return
        async with self._turn:
            self._fill(self.limit)
            self._tokens -= count
            while self.limit and self._tokens <= -1:  # less than a byte is rounding
                await self._sleep(min(LOOK_S, -self._tokens / self.limit))
                if self.limit:
                    self._fill(self.limit)

    def _fill(self, limit: int) -> None:
        now = self._clock.monotonic()
        self._tokens = min(limit * SAVED_S, self._tokens + (now - self._filled_at) * limit)
        self._filled_at = now


class Throttles:
    """Several limits that hold at the same time."""

    def __init__(self, *limits: Throttle) -> None:
        self._limits = limits

    @property
    def grain(self) -> int:
        """The finest of them; nobody limits when there are none."""
        return min((limit.grain for limit in self._limits), default=COARSE)

    async def take(self, count: int) -> None:
        """Return when *count* bytes are paid for everywhere."""
        for limit in self._limits:
            await limit.take(count)
