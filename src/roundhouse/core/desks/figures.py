"""What calls to deployments were like, as people see it. No postponed annotations: pydantic reads these types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Spread:
    """What half, nine of ten, 19 of 20, and 99 of 100 took at most, in milliseconds."""

    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class BaselineView:
    """How quick a deployment is when it is well, for prompts of one length and calls side by side."""

    at: datetime
    #: ``test`` when somebody had it measured, ``calls`` when it was learned.
    by: Literal["test", "calls"]
    #: Of the shortest prompts, with the fewest calls at a time, that are known.
    tokens_per_s: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class HourFigures:
    """One hour of one deployment."""

    at: datetime
    requests: int
    errors: int
    cache_hits: int
    prompt_tokens: int
    completion_tokens: int
    latency_ms: Spread | None
    first_token_ms: Spread | None
    queue_ms: Spread | None = None
    load_ms: Spread | None = None
    #: Of all answers together: their tokens by the time they were made in.
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFigures:
    """One deployment: sums over the time asked for, and what its last calls (1,000 at most) were like."""

    deployment: str
    backend: str
    model: str
    requests: int
    #: By the code of the error.
    errors: Mapping[str, int]
    #: Requests that a cache answered instead, or that shared a call.
    cache_hits: int
    prompt_tokens: int
    completion_tokens: int
    #: Calls that the rest is about.
    calls: int
    #: Of an answer under way, after its first token.
    tokens_per_s: float | None
    latency_ms: Spread | None
    first_token_ms: Spread | None
    #: Waiting for a slot, where there are slots.
    queue_ms: Spread | None
    #: What loading took when it was last seen.
    load_s: float | None
    #: Loads since the start, as far as the backend tells what they took.
    load_ms: Spread | None = None
    #: What its speed is compared with; ``None`` before there were enough calls.
    baseline: BaselineView | None = None
    #: Its speed as a share of that, at most 1; as of the last 20 calls.
    pace: float | None = None
    #: It is much slower than when it is well.
    degraded: bool = False
    #: Newest first.
    hours: Sequence[HourFigures] = ()


class FiguresDesk(Protocol):
    """How the deployments do."""

    async def figures(self, backend: str | None = None, hours: int = 24) -> Sequence[DeploymentFigures]:
        """All deployments, or those of one backend, busiest first. Raises NotFoundError."""
