"""How many calls a backend gets at a time: learned down when it says "too many", and up again when calls go well.

Up to what has gone well before by doubling, beyond that one by one (slow start, then AIMD).

Knows nothing about queues.
"""

from __future__ import annotations

import math

#: What is left after it said "too many", and the seconds in which hearing it again says nothing new.
_CUT, _DEAF_S = 0.7, 1.0
#: Rounds of calls that must go well at the limit before it grows by one, beyond what ever went well.
_ROUNDS = 4
#: A limit that was only ever learned is forgotten after so many quiet seconds.
_FORGOTTEN_S = 600.0


class Limit:
    """The limit of one backend."""

    __slots__ = ("_ceiling", "_cut_at", "_good", "_well", "now")

    def __init__(self, ceiling: int | None = None) -> None:
        self._ceiling = math.inf if ceiling is None else float(ceiling)
        #: Calls that may be under way now.
        self.now = self._ceiling
        self._cut_at = -math.inf
        #: The most calls that were under way when one went well, as far as fewer were never too many since.
        self._good = 0
        #: Calls that went well at the limit since it last changed.
        self._well = 0

    def overloaded(self, in_flight: int, now: float) -> None:
        """A call was turned away as one too many, with so many under way, itself included."""
        if now - self._cut_at < _DEAF_S:
            return
        base = min(self.now, float(in_flight))
        if in_flight > 1:  # one alone is turned away because of others, which says nothing of how many of ours fit
            self._good = min(self._good, int(base) - 1)
        self.now = max(1.0, min(base - 1.0, math.floor(base * _CUT)))
        self._cut_at, self._well = now, 0

    def succeeded(self, in_flight: int, now: float) -> None:
        """A call went well, with so many under way, itself included."""
        self._good = max(self._good, in_flight)
        if self.now >= self._ceiling:
            return
        if math.isinf(self._ceiling) and now - self._cut_at > _FORGOTTEN_S:
            self.now = self._ceiling
            return
        # What nobody uses is not proven: only calls at the limit count.
        self._well += in_flight >= self.now
        if self.now < self._good and self._well >= self.now:
            self.now, self._well = min(2.0 * self.now, float(self._good)), 0
        elif self._well >= self.now * _ROUNDS:
            self.now, self._well = self.now + 1.0, 0
