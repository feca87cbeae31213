"""Time as an argument, so that tests own it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Wall time, UTC: for records that people read."""

    def monotonic(self) -> float:
        """Seconds that only grow: for durations and deadlines."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Wall time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()  # noqa: TID251 - its one home
