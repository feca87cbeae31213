"""How many calls of the last seconds failed, in constant space. Knows nothing about what follows from it."""

from __future__ import annotations


class Window:
    """Calls and failures of the last *seconds* whole seconds, the running one included."""

    __slots__ = ("_calls", "_failures", "_newest", "_seconds", "calls", "failures")

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.failures = 0
        self._newest = 0
        #: By second, round and round.
        self._calls = [0] * self._seconds
        self._failures = [0] * self._seconds

    def add(self, now: float, *, failed: bool) -> None:
        """Count one call, after forgetting those that are too old."""
        second = int(now)
        if second > self._newest:
            self._forget(second)
        place = second % self._seconds
        self._calls[place] += 1
        self.calls += 1
        if failed:
            self._failures[place] += 1
            self.failures += 1

    def _forget(self, second: int) -> None:
        for each in range(max(self._newest + 1, second - self._seconds + 1), second + 1):
            place = each % self._seconds
            self.calls -= self._calls[place]
            self.failures -= self._failures[place]
            self._calls[place] = self._failures[place] = 0
        self._newest = second
