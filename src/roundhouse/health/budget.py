"""How many second tries a backend's failures may cause: a tenth of its requests, and one per second.

Without it every failure of a busy backend would at once become a call of another one. Knows nothing about calls.
"""

from __future__ import annotations

#: What one request brings, what one second brings, and what there may be at most: a backend that dies takes with it all
#: that it was answering, and these few dozen shall get their second try.
_PER_REQUEST, _PER_SECOND, _MOST = 0.1, 1.0, 32.0


class RetryBudget:
    """One bucket. First tries are free and fill it; a try after a failure takes one token."""

    __slots__ = ("_at", "_tokens")

    def __init__(self) -> None:
        self._tokens = _MOST
        self._at = 0.0

    def earn(self) -> None:
        """A request came."""
        self._tokens = min(_MOST, self._tokens + _PER_REQUEST)

    def spend(self, now: float) -> bool:
        """Whether one more try is affordable; if so, it is paid."""
        self._tokens = min(_MOST, self._tokens + max(0.0, now - self._at) * _PER_SECOND)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
