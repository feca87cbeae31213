"""Feels the pulse of a child that should be serving, and kills it when there is none. Knows nothing about requests.

A process that was stopped or hangs keeps its sockets open, so nobody who waits for it would ever hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from roundhouse.backends.children.child import Child
from roundhouse.core.ports import Backend

_log = structlog.get_logger("roundhouse.children")

#: Questions within the time that a child may be silent.
QUESTIONS = 4


async def feel(child: Child, client: Backend, hang_s: float, is_needed: Callable[[], bool]) -> None:
    """Ask *child* now and then while it is needed; kill it when *hang_s* passed without an answer."""
    now = asyncio.get_running_loop().time
    answered = now()
    while not child.exited.done():
        await asyncio.wait({child.exited}, timeout=hang_s / QUESTIONS)
        if not is_needed() or (await client.health()).ok:
            answered = now()
        elif now() - answered >= hang_s and child.is_alive:
            silent_s = round(now() - answered, 1)
            _log.warning(
                "a child does not answer and is killed", runtime=child.runtime, pid=child.pid, silent_s=silent_s
            )
            child.kill()


@asynccontextmanager
async def felt(child: Child, client: Backend, hang_s: float) -> AsyncIterator[None]:
    """Feel its pulse as long as this lasts."""
    pulse = asyncio.get_running_loop().create_task(feel(child, client, hang_s, lambda: True))
    try:
        yield
    finally:
        pulse.cancel()
        await asyncio.wait({pulse})
