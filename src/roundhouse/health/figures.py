"""What calls to one deployment have been like lately, in constant space. Knows nothing about what uses the figures."""

from __future__ import annotations

import math

#: Weight of the newest call in the moving averages.
_NEWEST = 0.2
#: Old errors fade, otherwise what failed once would rank last for ever and never get the chance to do better.
_ERRORS_HALVE_S = 30.0
#: What was measured longer ago says nothing: the weights may be in memory by now, or the rush over.
_MEASURED_HOLDS_S = 300.0
#: Tokens of an answer of usual length: deployments are compared by how long they take for one.
_ANSWER = 100


class Figures:
    """Moving averages of one deployment."""

    __slots__ = (
        "_error_rate",
        "_errors_at",
        "_first_token",
        "_latency",
        "_share",
        "_slow_until",
        "_speed",
        "calls",
        "in_flight",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.calls = 0
        self._error_rate = 0.0
        self._errors_at = 0.0
        self._latency = _Average()
        self._first_token = _Average()
        self._speed = _Average()
        self._share = 1.0
        self._slow_until = -math.inf

    def call_succeeded(self, now: float, latency_ms: float, first_token_ms: float | None) -> None:
        """A call was answered in full; *first_token_ms* is known of streamed ones."""
        self.calls += 1
        if self._error_rate:
            self._error_rate = self.error_rate(now) * (1.0 - _NEWEST)
            self._errors_at = now
        self._latency.add(now, latency_ms)
        if first_token_ms is not None:
            self._first_token.add(now, first_token_ms)

    def call_failed(self, now: float) -> None:
        """A call failed."""
        self.calls += 1
        rate = self.error_rate(now)
        self._error_rate = rate + _NEWEST * (1.0 - rate)
        self._errors_at = now

    def made(self, now: float, tokens_per_s: float) -> None:
        """Tokens of an answer came so fast."""
        self._speed.add(now, tokens_per_s)

    def slowed(self, now: float, share: float) -> None:
        """It is as quick as this share of what it is when well."""
        self._share, self._slow_until = share, now + _MEASURED_HOLDS_S

    def pace(self, now: float) -> float:
        """How quick it is lately for what it is when well, 0 to 1; 1 when nobody has measured anything else."""
        return self._share if now <= self._slow_until else 1.0

    def answer_ms(self, now: float) -> float | None:
        """How long an answer of usual length takes: by the speed of its tokens, or as long as answers took.

        By the latter alone, whoever says more would count as slow. ``None`` when nobody has measured it lately.
        """
        if now > self._speed.until:
            return self.latency_ms(now)
        return (self.first_token_ms(now) or 0.0) + _ANSWER / self._speed.value * 1e3

    def error_rate(self, now: float) -> float:
        """The share of calls that failed lately, 0 to 1."""
        if not self._error_rate:
            return 0.0
        return float(self._error_rate * 0.5 ** ((now - self._errors_at) / _ERRORS_HALVE_S))

    def latency_ms(self, now: float) -> float | None:
        """How long a whole answer takes, streamed or not; ``None`` when nobody has measured it lately."""
        average = self._latency
        return average.value if now <= average.until else None

    def first_token_ms(self, now: float) -> float | None:
        """How long the first visible piece takes; ``None`` when nobody has measured it lately."""
        average = self._first_token
        return average.value if now <= average.until else None


class _Average:
    """A moving average that is forgotten when nothing new comes."""

    __slots__ = ("until", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.until = -math.inf

    def add(self, now: float, value: float) -> None:
        self.value = value if now > self.until else self.value + _NEWEST * (value - self.value)
        self.until = now + _MEASURED_HOLDS_S
