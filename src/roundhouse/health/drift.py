"""Whether a deployment has become slower than it is when well. Knows nothing about requests or time.

::

    WELL --the median of 20 calls is below 60 % of the baseline--> SLOW
    SLOW --the median of 20 further calls is above 80 %--> WELL

Each turn begins with no calls counted, so two of them are 20 calls apart at least. Calls are compared with those of
their own kind, and what a kind is like is learned from its first 20 calls, or measured by somebody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from statistics import median

from roundhouse.core.figures.baselines import Pace

#: Calls that a verdict, and a baseline, takes.
CALLS = 20
#: Shares of the baseline.
SLOW_BELOW, WELL_ABOVE = 0.6, 0.8
#: A baseline that calls are so much quicker than was measured on a bad day.
_TOO_LOW = 1.0 / SLOW_BELOW
#: So much later is no later, whatever the share: a first token after 6 ms instead of 3.
_NOTICED_MS = 50.0


class Turn(Enum):
    """What a call has changed."""

    SLOWED = "slowed"
    RESTORED = "restored"


class Drift:
    """One deployment."""

    __slots__ = ("_learning", "_promptness", "_speeds", "changed", "is_slow", "kinds", "measured", "share")

    def __init__(self) -> None:
        self.kinds: dict[str, Pace] = {}
        #: Somebody had it measured; it was learned from calls otherwise.
        self.measured = False
        #: The baseline is another one than somebody was told.
        self.changed = False
        self.is_slow = False
        #: Its speed as a share of its baseline, at most 1; as of the last verdict.
        self.share = 1.0
        #: Of the last calls, as shares of the baseline.
        self._speeds: deque[float] = deque(maxlen=CALLS)
        self._promptness: deque[float] = deque(maxlen=CALLS)
        self._learning: dict[str, list[Pace]] = {}

    def recall(self, kinds: Mapping[str, Pace], *, measured: bool) -> None:
        """Take the baseline that an earlier run knew."""
        self.kinds = {kind: pace for kind, pace in kinds.items() if pace.tokens_per_s > 0}
        self.measured = measured

    def add(self, kind: str, pace: Pace) -> Turn | None:
        """Take one answer."""
        norm = self.kinds.get(kind)
        if norm is None:
            self._learn(kind, pace)
            return None
        late = pace.first_token_ms - norm.first_token_ms > _NOTICED_MS
        self._promptness.append(norm.first_token_ms / pace.first_token_ms if late else 1.0)
        self._speeds.append(pace.tokens_per_s / norm.tokens_per_s)
        return self._judge() if len(self._speeds) == CALLS else None

    def measure(self, kinds: Mapping[str, Pace]) -> Turn | None:
        """Begin anew, with a baseline that somebody had measured."""
        was_slow = self.is_slow
        self.kinds, self.measured, self.changed = dict(kinds), True, True
        self.is_slow, self.share = False, 1.0
        self._forget()
        return Turn.RESTORED if was_slow else None

    def _learn(self, kind: str, pace: Pace) -> None:
        if self.is_slow:  # what is slow now is not what it is like when well
            return
        seen = self._learning.setdefault(kind, [])
        seen.append(pace)
        if len(seen) == CALLS:
            speed = median(each.tokens_per_s for each in seen)
            self.kinds[kind] = Pace(speed, median(each.first_token_ms for each in seen))
            self.changed = True
            del self._learning[kind]

    def _judge(self) -> Turn | None:
        speed = _middle(self._speeds)
        share = min(speed, _middle(self._promptness))
        if not self.is_slow and speed > _TOO_LOW:
            self.kinds, self.measured, self.changed = {}, False, True
            self._forget()
            return None
        self.share = min(1.0, share)
        if not self.is_slow and share < SLOW_BELOW:
            self.is_slow = True
            self._forget()
            return Turn.SLOWED
        if self.is_slow and share > WELL_ABOVE:
            self.is_slow, self.share = False, 1.0
            self._forget()
            return Turn.RESTORED
        return None

    def _forget(self) -> None:
        self._speeds.clear()
        self._promptness.clear()
        self._learning.clear()


def _middle(values: deque[float]) -> float:
    """The median of an even number; a third of what the library's takes, and it is asked after every answer."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return (ordered[half - 1] + ordered[half]) / 2.0
