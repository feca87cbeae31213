"""A clock that stands still until it is told to go on. Knows nothing about the machine's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time in the hands of a test."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0

    def now(self) -> datetime:
        """Wall time, UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds
