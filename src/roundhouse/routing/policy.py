"""What the owner wants from routing: weights, how many attempts, what comes last. Knows nothing about requests."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from roundhouse.core.errors import ConfigError
from roundhouse.routing.identity import Rules


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each factor counts in the balanced score. Only their proportions matter to the order.

    Raises:
        ConfigError: a weight is negative, or not a number.

    """

    errors: float = 3.0
    residency: float = 3.0
    latency: float = 2.0
    price: float = 2.0
    load: float = 1.0

    def __post_init__(self) -> None:
        for each in fields(self):
            weight = getattr(self, each.name)
            if not 0.0 <= weight < float("inf"):
                message = f"routing weight {each.name} must be a number of 0 or more, not {weight!r}"
                raise ConfigError(message)

    def shares(self) -> Weights:
        """The same proportions, adding up to 1, so that a score is between 0 and 1."""
        total = self.errors + self.residency + self.latency + self.price + self.load
        if not total:
            return self
        return Weights(*(getattr(self, each.name) / total for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Policy:
    """How to choose.

    Raises:
        ConfigError: no attempt would ever be made.

    """

    weights: Weights = Weights()
    #: Tries per request, the first one included.
    max_attempts: int = 3
    #: Models that ``auto`` takes only when nothing else fits: they prove that the machine runs, and say nothing.
    auto_last: frozenset[str] = frozenset()
    #: Models that are known to be somewhere else while nothing may leave this machine; a backend's all as ``name/``.
    elsewhere: frozenset[str] = frozenset()
    #: What the owner says about models that are one under several names.
    same: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            message = f"routing needs at least 1 attempt, not {self.max_attempts}"
            raise ConfigError(message)
