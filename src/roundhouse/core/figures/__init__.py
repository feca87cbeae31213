"""What calls to a deployment were like, added up: counts, sums and histograms. Knows nothing about who keeps them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: Each step of a histogram is so much longer than the one before: a percentile is off by 10 % at most.
_STEP = 1.2
_STEPS = 100


@dataclass(slots=True)
class Histogram:
    """How often something took how long, in milliseconds; up to a day."""

    counts: dict[int, int] = field(default_factory=dict)

    def add(self, value_ms: float) -> None:
        """Count one."""
        step = 0 if value_ms <= 1 else min(_STEPS, math.ceil(math.log(value_ms, _STEP)))
        self.counts[step] = self.counts.get(step, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Count all of *other*."""
        for step, count in other.counts.items():
            self.counts[step] = self.counts.get(step, 0) + count

    def percentile(self, share: float) -> float | None:
        """What that share of them took at most, about; ``None`` when there are none."""
        wanted = max(1, math.ceil(share * sum(self.counts.values())))
        for step in sorted(self.counts):
            wanted -= self.counts[step]
            if wanted <= 0:
                return float(_STEP ** (step - 0.5)) if step else 1.0
        return None


@dataclass(slots=True)
class Tally:
    """What became of calls to one deployment."""

    requests: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: Seconds that tokens were made in.
    busy_s: float = 0.0
    #: By the code of the error.
    errors: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    first_token: Histogram = field(default_factory=Histogram)
    #: Waiting for a slot, of what was answered; loading weights into memory.
    queue: Histogram = field(default_factory=Histogram)
    load: Histogram = field(default_factory=Histogram)

    def merge(self, other: Tally) -> None:
        """Add *other*."""
        self.requests += other.requests
        self.cache_hits += other.cache_hits
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.busy_s += other.busy_s
        for kind, count in other.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count
        self.latency.merge(other.latency)
        self.first_token.merge(other.first_token)
        self.queue.merge(other.queue)
        self.load.merge(other.load)


@dataclass(frozen=True, slots=True)
class HourOf:
    """One deployment in one hour, as one run of Roundhouse saw it."""

    #: Hours since 1970, UTC.
    hour: int
    backend: str
    model: str
    tally: Tally


class FiguresStore(Protocol):
    """Where the hours end up."""

    async def put(self, part: str, hours: Sequence[HourOf]) -> None:
        """Write what the run called *part* saw of each hour, in place of what it wrote before."""

    async def since(self, hour: int, backend: str | None = None) -> Sequence[HourOf]:
        """All hours from *hour* on, added up over all runs, oldest first."""

    async def prune(self, before: int) -> int:
        """Forget the hours before; how many rows that were."""


def added_up(hours: Iterable[HourOf]) -> list[HourOf]:
    """One row per hour and deployment, oldest first."""
    rows: dict[tuple[int, str, str], Tally] = {}
    for each in hours:
        rows.setdefault((each.hour, each.backend, each.model), Tally()).merge(each.tally)
    return [HourOf(*key, rows[key]) for key in sorted(rows)]
