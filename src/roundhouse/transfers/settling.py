"""Waiting for what cannot be stopped: a thread or a statement that goes on although its caller was cancelled.

Knows nothing about what it is. Whoever begins again on the same files must not meet it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


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
