"""A decision as a value: who is tried, in which order, and why not the others. Knows nothing of how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Deployment
from roundhouse.routing.policy import Weights
from roundhouse.routing.scoring import Factor, Values, factors


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment that may serve."""

    id: str
    deployment: Deployment
    #: The weighted sum of *values*; higher is better, among candidates of one place.
    score: float
    values: Values
    #: The place in an ordered alias, which comes before any score. 0 where there is no such order.
    place: int = 0
    #: Prompt and answer may together be longer than its context: it comes after those where they are not.
    tight: bool = False

    def factors(self, weights: Weights) -> tuple[Factor, ...]:
        """What the score is made of."""
        return factors(self.values, weights)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A deployment that may not serve, and the sentence that says why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """Who is tried, in order."""

    #: Best first.
    candidates: tuple[Candidate, ...] = ()
    #: Not filled where so many deployments share a name that only the best were looked at.
    refused: tuple[Refusal, ...] = ()
    #: All that fit have an open breaker; the best of them is tried all the same, since nobody else can.
    last_resort: bool = False
    #: Why there is no candidate.
    error: RoundhouseError | None = None
    weights: Weights = field(default_factory=Weights)
