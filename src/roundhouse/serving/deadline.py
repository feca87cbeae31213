"""One deadline over many waits, with one timer. Knows nothing about what is waited for.

``asyncio.timeout`` around each piece of a stream would make a timer per piece, and one around the whole stream would
cancel whoever holds the generator while it rests at a ``yield``. This one cancels only inside its ``with``.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from roundhouse.core.errors import DeadlineError


class Deadline:
    """Turns waits into a DeadlineError once *timeout_s* has passed; to be closed."""

    __slots__ = ("_cancelling", "_task", "_timeout_s", "_timer", "expired")

    def __init__(self, timeout_s: float) -> None:
        self.expired = False
        self._timeout_s = timeout_s
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._expire)

    def shorten(self, timeout_s: float) -> None:
        """Let it pass *timeout_s* from now, unless it passes sooner anyway."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, timeout_s)
        if not self.expired and at < self._timer.when():
            self._timer.cancel()
            self._timer = loop.call_at(at, self._expire)

    def close(self) -> None:
        """Let go of the timer."""
        self._timer.cancel()

    def __enter__(self) -> None:
        if self.expired:
            raise self._error()
        task = asyncio.current_task()
        if task is None:
            message = "a deadline needs a running task"
            raise RuntimeError(message)
        self._task = task
        self._cancelling = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        # Ours to swallow only if nobody else cancelled the task as well (the rule of asyncio.timeout).
        if self.expired and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._error() from error

    def _expire(self) -> None:
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def _error(self) -> DeadlineError:
        message = f"no answer within {self._timeout_s:g} s"
        return DeadlineError(message, hint="ask for less, or allow more time")
