"""Work that never ends, begun anew when it fails: nobody would see that it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

#: Seconds before work that failed begins anew.
AGAIN_S = 5.0

_log = structlog.get_logger("roundhouse.watching")


async def unending(name: str, work: Callable[[], Awaitable[None]], again_s: float = AGAIN_S) -> None:
    """Do *work* until cancelled; what it fails with is told as the failure of *name*."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - the boundary of this job: it is told, and goes on
            _log.exception("failed, and begins anew", what=name)
        await asyncio.sleep(again_s)
