"""Feels the pulse of a child that should be serving, and kills it when there is none. Knows nothing about requests.

A process that was stopped or hangs keeps its sockets open, so nobody who waits for it would ever hear of it. One that
grows without end (some grammars of a few lines do that to llama.cpp) would take the whole machine along.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psutil
import structlog

from roundhouse.backends.children.child import Child
from roundhouse.core.ports import Backend

_log = structlog.get_logger("roundhouse.children")

#: Questions within the time that a child may be silent.
QUESTIONS = 4
#: A child may take so many times what its model was estimated to need, and so much beside it.
_TIMES, _BESIDE = 2, 2 << 30


async def feel(child: Child, client: Backend, hang_s: float, need: int, is_needed: Callable[[], bool]) -> None:
    """Ask *child* now and then while it is needed; kill it when *hang_s* passed without an answer.

    Kill it also, needed or not, when it has taken far more bytes than it was estimated to *need*.
    """
    now = asyncio.get_running_loop().time
    answered, most = now(), need * _TIMES + _BESIDE
    while not child.exited.done():
        await asyncio.wait({child.exited}, timeout=hang_s / QUESTIONS)
        if (taken := _taken_by(child.pid)) > most and child.is_alive:
            mib = taken >> 20
            _log.warning("a child grows without end and is killed", runtime=child.runtime, pid=child.pid, mib=mib)
            child.kill()
        elif not is_needed() or (await client.health()).ok:
            answered = now()
        elif now() - answered >= hang_s and child.is_alive:
            silent_s = round(now() - answered, 1)
            _log.warning(
                "a child does not answer and is killed", runtime=child.runtime, pid=child.pid, silent_s=silent_s
            )
            child.kill()


@asynccontextmanager
async def felt(child: Child, client: Backend, hang_s: float, need: int) -> AsyncIterator[None]:
    """Feel its pulse as long as this lasts."""
    pulse = asyncio.get_running_loop().create_task(feel(child, client, hang_s, need, lambda: True))
    try:
        yield
    finally:
        pulse.cancel()
        await asyncio.wait({pulse})


def _taken_by(pid: int) -> int:
    """Bytes of memory that a process shares with nobody and no file; 0 when that cannot be told."""
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))
