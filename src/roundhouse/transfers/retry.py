"""How long to wait before trying a source again, and when to give up. Knows nothing about what is tried."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from roundhouse.core.errors import RoundhouseError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """When to try again. Tries are counted from the last byte of progress, not per file."""

    tries: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0
    #: A source that asks for more than this is taken at its word and left alone.
    longest_wait_s: float = 300.0

    def delay_s(self, error: RoundhouseError, failures: int, jitter: float) -> float | None:
        """Seconds to wait after *failures* in a row, *jitter* being random in [0, 1); ``None`` is the end of patience.

        Full jitter, so that many that failed together do not come back together; a source that names
        a time (``Retry-After``) is believed.
        """
        asked = error.retry_after_s or 0.0
        if not error.retryable or failures >= self.tries or asked > self.longest_wait_s:
            return None
        # The exponent is bounded because 2.0 ** 2000 is an error, and the cap wins long before.
        spread = jitter * min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 30))
        return asked + spread


async def persist(
    attempt: Callable[[], Awaitable[T]], patience: Patience, jitter: Callable[[], float] = random.random
) -> T:
    """The result of *attempt*, tried again while patience lasts. Raises the last error."""
    failures = 0
    while True:
        try:
            return await attempt()
        except RoundhouseError as error:
            failures += 1
            delay_s = patience.delay_s(error, failures, jitter())
            if delay_s is None:
                raise
            await asyncio.sleep(delay_s)
