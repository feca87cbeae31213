"""Waiting for what cannot be stopped: a thread or a statement that goes on although its caller was cancelled.

Knows nothing about what it is. Whoever begins again on the same files must not meet it there. What takes long on a
processor is done by few threads that give way to the event loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

#: How much sooner than a `Crew` all others are served: the nice value of its threads.
NICE = 10
#: Threads of a crew, however many processors there are.
LEAST, MOST = 2, 8


async def settled(work: Coroutine[None, None, T]) -> T:
    """The result of *work*; a cancel is passed on only when *work* has ended. Raises what *work* raises."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # a second one changes nothing
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains that it was not
        raise


class Crew:
    """A few threads that hash and write, and give way to whoever answers people."""

    def __init__(self) -> None:
        count = max(LEAST, min(MOST, os.cpu_count() or LEAST))
        self._threads = ThreadPoolExecutor(count, "transfer", initializer=_give_way)

    async def do(self, work: Callable[[], T]) -> T:
        """The result of *work*, when a thread has had time for it. Raises what *work* raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _give_way() -> None:
    """Be served after others. Linux counts each thread on its own; elsewhere this would slow down the whole process."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
