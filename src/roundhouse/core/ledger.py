"""One record per request: who asked, who answered, what it took. Holds no content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

#: Shorter answers say little about speed, and those that came in one piece nothing.
_LEAST_TOKENS, _LEAST_S = 8, 0.05


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at one deployment."""

    deployment: str
    #: ``ok`` or the code of the error.
    outcome: str
    duration_ms: float
    #: Until its first visible piece; ``None`` when it was not streamed, or nothing came.
    first_token_ms: float | None = None
    #: Time in the queue before it.
    queued_ms: float = 0.0
    #: The weights were not in memory when it began.
    cold: bool = False
    #: Calls that were under way at the same backend when it began.
    beside: int = 0
    #: Of a stream: time in which its reader did not ask for more.
    held_ms: float = 0.0

    @property
    def making_s(self) -> float:
        """Seconds that tokens were made in: after the first one, where that is known."""
        return max(0.0, self.duration_ms - (self.first_token_ms or 0.0)) / 1e3


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One request, finished. Its id makes writing it twice harmless."""

    id: str
    at: datetime
    principal: str
    operation: str
    #: The name that was asked for, and the model and backend that answered (``None`` when none did).
    requested: str
    model: str | None
    backend: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: float | None
    latency_ms: float
    first_token_ms: float | None
    overhead_ms: float
    stream: bool
    #: ``ok``, ``client_closed``, or the code of the error.
    outcome: str
    attempts: tuple[AttemptRecord, ...]
    #: The backend did not count (or was cut off), so the tokens and the cost are our guess.
    estimated: bool = False
    #: ``hit`` or ``shared`` when no backend was asked for this request: the answer was there, or on its way.
    cache: str | None = None
    #: Time in the queues of backends; for figures, and not stored.
    queued_ms: float = 0.0

    @property
    def tokens_per_s(self) -> float | None:
        """How fast the answer was made; ``None`` when that cannot be told.

        Nothing is told by loading, caches, guessed tokens, a few words, one piece, or a reader slower than the backend.
        """
        if self.outcome != "ok" or self.cache is not None or self.estimated or not self.attempts:
            return None
        last, tokens = self.attempts[-1], self.completion_tokens
        if last.cold or tokens < _LEAST_TOKENS or last.making_s < max(_LEAST_S, 2.0 * last.held_ms / 1e3):
            return None
        return tokens / last.making_s


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """Usage added up over one value of a dimension (a model, a backend, a day)."""

    key: str
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
