"""A breaker: stops calls to what keeps failing, and lets one probe through to see. Knows nothing about what is called.

::

    CLOSED --5 hard failures in a row--> OPEN --10 s * 2^n, jittered, at most 300 s--> HALF_OPEN
      ^                                    ^                                              |
      +---------- any success ------------ + ------------- the probe failed --------------+

Time and randomness are arguments. What counts as a failure is the caller's decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

#: The pass of a call that went through a closed breaker, or was made in spite of an open one.
FREE = 0


class State(Enum):
    """Where a breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long."""

    #: Hard failures in a row. Traffic to models is thin, so a ratio over a window would seldom have enough calls.
    failures: int = 5
    first_open_s: float = 10.0
    longest_open_s: float = 300.0
    #: The opening is longer or shorter by up to this share, so that replicas do not probe in step.
    jitter: float = 0.2


class Breaker:
    """One breaker. Every admitted call ends in exactly one of ``succeeded``, ``failed``, ``released``."""

    __slots__ = ("_failures", "_open_until", "_openings", "_policy", "_probe", "_probes", "_random")

    def __init__(self, policy: BreakerPolicy, random: Callable[[], float]) -> None:
        self._policy = policy
        self._random = random
        self._failures = 0
        #: Openings since the last success; zero means closed.
        self._openings = 0
        self._open_until = 0.0
        #: The pass of the probe on its way, or FREE.
        self._probe = FREE
        self._probes = 0

    def state(self, now: float) -> State:
        """Where it is at *now*."""
        if not self._openings:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def open_s(self, now: float) -> float:
        """Seconds until a call may pass: 0 if it may now, infinity while a probe is on its way."""
        if not self._openings:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        return math.inf if self._probe else 0.0

    def admit(self, now: float) -> int | None:
        """The pass for one call, to be handed back with its outcome; ``None`` when no call may pass."""
        if not self._openings:
            return FREE
        if self.open_s(now):
            return None
        self._probes += 1
        self._probe = self._probes
        return self._probe

    def succeeded(self) -> None:
        """A call went well, which is proof enough whichever call it was."""
        self._failures = 0
        self._openings = 0
        self._probe = FREE

    def failed(self, ticket: int, now: float) -> None:
        """A call failed hard. Once open, only the probe's failure counts: the others left before."""
        if not self._openings:
            self._failures += 1
            if self._failures >= self._policy.failures:
                self._open(now)
        elif ticket != FREE and ticket == self._probe:
            self._open(now)

    def released(self, ticket: int) -> None:
        """A call ended and proved nothing (cancelled, or the request itself was wrong)."""
        if ticket != FREE and ticket == self._probe:
            self._probe = FREE

    def _open(self, now: float) -> None:
        policy = self._policy
        # The exponent is capped because 2.0 ** 1100 raises, and a dead backend may be probed for weeks.
        length_s = policy.first_open_s * 2.0 ** min(self._openings, 32)
        length_s *= 1.0 + policy.jitter * (2.0 * self._random() - 1.0)
        self._openings += 1
        self._open_until = now + min(length_s, policy.longest_open_s)
        self._probe = FREE
