"""Watching over one client while its request is served: leaving cancels, waiting keeps alive.

Knows nothing about requests or answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

from roundhouse.gateway.asgi import Receive


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    #: Until somebody watches: most requests are over sooner, and need no second task.
    watch_after: float = 0.05
    #: Between two signs of life of a stream that has nothing to say.
    keep_alive: float = 15.0
    #: Between two looks at whether there is something to tell one that waits.
    look: float = 2.0

    @property
    def beat(self) -> float:
        """Between two beats."""
        return min(self.look, self.keep_alive)


class Vigil:
    """An async context in which the client's leaving cancels the body, and is then no error."""

    __slots__ = ("_beat", "_gone", "_patience", "_receive", "_task", "_timer", "_watcher")

    def __init__(self, receive: Receive, patience: Patience, beat: Callable[[], Awaitable[None]] | None = None) -> None:
        self._receive = receive
        self._patience = patience
        self._beat = beat
        self._gone = False
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Start the timer that starts the watcher."""
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._patience.watch_after, self._start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop watching; swallow the cancellation if it was ours."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is None:
            return False
        if not self._gone:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            return False
        # The server's own cancellation, if there was one too, goes on.
        ours_alone = self._task is None or self._task.uncancel() == 0
        return ours_alone and kind is asyncio.CancelledError

    def _start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(None if self._beat is None else self._patience.beat):
                    message = await self._receive()
            except TimeoutError:
                if self._beat is not None:
                    await self._beat()
                continue
            if message["type"] == "http.disconnect":
                self._gone = True
                if self._task is not None:
                    self._task.cancel()
                return
