"""A breaker: stops calls to what keeps failing, and lets one probe through to see. Knows nothing about what is called.

::

    CLOSED --5 hard failures in a row, or half of at least 10 calls within 30 s--> OPEN
    OPEN --10 s * 2^n, jittered, at most 300 s--> HALF_OPEN --the probe failed--> OPEN
    OPEN, HALF_OPEN --the probe, or a call made in spite of it, succeeded--> CLOSED

Whoever knows better without a call holds it: nothing passes until it is released, or a call went well all the same.

Time and randomness are arguments. What counts as a failure is the caller's decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from roundhouse.health.window import Window

#: The pass of a call that went through a closed breaker.
FREE = 0
#: The pass of a call that was made in spite of an open one, because there was nobody else.
DESPITE = -1


class State(Enum):
    """Where a breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long."""

    #: Hard failures in a row. Traffic to models is thin, so the share over a window often lacks the calls.
    failures: int = 5
    #: This share of the calls of the last *window_s* whole seconds, once there were *least_calls* of them.
    share: float = 0.5
    least_calls: int = 10
    window_s: int = 30
    first_open_s: float = 10.0
    longest_open_s: float = 300.0
    #: The opening is longer or shorter by up to this share, so that replicas do not probe in step.
    jitter: float = 0.2


class Breaker:
    """One breaker. Every admitted call ends in exactly one of ``succeeded``, ``failed``, ``released``."""

    __slots__ = (
        "_failures",
        "_open_until",
        "_openings",
        "_policy",
        "_probe",
        "_probes",
        "_random",
        "_turned",
        "_window",
        "held",
        "proved",
    )

    def __init__(
        self, policy: BreakerPolicy, random: Callable[[], float], turned: Callable[[float], None] | None = None
    ) -> None:
        self._policy = policy
        self._random = random
        #: Told for how many seconds it has opened, and 0 when it has closed again.
        self._turned = turned
        self._failures = 0
        self._window = Window(policy.window_s)
        #: Openings since it was last closed; zero means closed.
        self._openings = 0
        self._open_until = 0.0
        #: The pass of the probe on its way, or FREE.
        self._probe = FREE
        self._probes = 0
        #: Nothing passes, whatever calls were like.
        self.held = False
        #: When a call last went well.
        self.proved = -math.inf

    def state(self, now: float) -> State:
        """Where it is at *now*."""
        if self.held:
            return State.OPEN
        if not self._openings:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    @property
    def is_closed(self) -> bool:
        """Whether nothing that calls have shown is against it, whoever holds it."""
        return not self._openings

    def open_s(self, now: float) -> float:
        """Seconds until a call may pass: 0 if it may now, infinity while a probe is on its way, or it is held."""
        if self.held:
            return math.inf
        if not self._openings:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        return math.inf if self._probe else 0.0

    def admit(self, now: float) -> int | None:
        """The pass for one call, to be handed back with its outcome; ``None`` when no call may pass."""
        if self.held:
            return None
        if not self._openings:
            return FREE
        if self.open_s(now):
            return None
        self._probes += 1
        self._probe = self._probes
        return self._probe

    def succeeded(self, ticket: int, now: float) -> None:
        """A call went well. Once open, calls that left before prove nothing: half of them may go well."""
        self.held, self.proved = False, now
        if not self._openings:
            self._failures = 0
            self._window.add(now, failed=False)
        elif ticket == DESPITE or (ticket != FREE and ticket == self._probe):
            self._close()

    def failed(self, ticket: int, now: float) -> None:
        """A call failed hard. Once open, only the probe's failure counts: the others left before."""
        if not self._openings:
            self._failures += 1
            self._window.add(now, failed=True)
            if self._failures >= self._policy.failures or self._fails_too_often():
                self._open(now)
        elif ticket != FREE and ticket == self._probe:
            self._open(now)

    def released(self, ticket: int) -> None:
        """A call ended and proved nothing (cancelled, or the request itself was wrong)."""
        if ticket != FREE and ticket == self._probe:
            self._probe = FREE

    def hold(self) -> None:
        """Let nothing pass."""
        self.held = True

    def release(self) -> None:
        """Let pass what its own calls allow."""
        self.held = False

    def _fails_too_often(self) -> bool:
        window, policy = self._window, self._policy
        return window.calls >= policy.least_calls and window.failures >= policy.share * window.calls

    def _open(self, now: float) -> None:
        policy = self._policy
        # The exponent is capped because 2.0 ** 1100 raises, and a dead backend may be probed for weeks.
        length_s = policy.first_open_s * 2.0 ** min(self._openings, 32)
        length_s = min(length_s * (1.0 + policy.jitter * (2.0 * self._random() - 1.0)), policy.longest_open_s)
        self._openings += 1
        self._open_until = now + length_s
        self._probe = FREE
        if self._openings == 1 and self._turned:
            self._turned(length_s)

    def _close(self) -> None:
        self._failures = self._openings = 0
        self._window.clear()
        self._probe = FREE
        if self._turned:
            self._turned(0.0)
