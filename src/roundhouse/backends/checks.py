"""How a backend is, told by one question to it that costs nothing. Knows no dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.ports import BackendHealth


def _nothing() -> str | None:
    return None


async def check(ask: Callable[[], Awaitable[str]], warning: Callable[[], str | None] = _nothing) -> BackendHealth:
    """Well, if *ask* says something: that, how long it took, and the *warning* that there is then; else why not."""
    now = asyncio.get_running_loop().time
    started = now()
    try:
        said = await ask()
    except RoundhouseError as error:
        return BackendHealth(ok=False, detail=error.message)
    return BackendHealth(ok=True, detail=said, latency_ms=(now() - started) * 1e3, warning=warning())
