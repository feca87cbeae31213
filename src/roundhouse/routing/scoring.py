"""How well a deployment would serve: five factors from 0 to 1, weighted. Knows nothing about constraints or order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from roundhouse.core.inference import Price, Residency
from roundhouse.routing.policy import Weights

#: A remote service seldom tells; most keep what they offer in memory.
_RESIDENCY = {Residency.LOADED: 1.0, Residency.UNKNOWN: 0.7, Residency.COLD: 0.2}
#: The value of what has not been measured: better than what is known to be slow, worse than what is known to be fast.
_UNMEASURED = 0.5
#: Where a factor is one half: a whole answer in 2 s, 2 USD per million tokens, 8 calls on their way.
_HALF_LATENCY_MS = 2_000.0
_HALF_PRICE = 2e-6
_HALF_LOAD = 8.0
#: An unknown price is treated like an expensive one, so that nobody gets a bill for a guess.
_UNKNOWN_PRICE = 0.1


class Standing(Protocol):
    """How a deployment does right now; ``health`` has one for each that was ever tried."""

    #: Calls on their way.
    in_flight: int

    def answer_ms(self, now: float) -> float | None:
        """How long an answer of usual length takes; ``None`` when unknown."""

    def pace(self, now: float) -> float:
        """How quick it is for what it is when well, 0 to 1."""

    def error_rate(self, now: float) -> float:
        """The share of calls that failed lately, 0 to 1."""

    def is_free(self, now: float) -> bool:
        """Whether neither a breaker nor a rate limit is against a call."""

    def open_s(self, now: float) -> float:
        """Seconds until its breaker lets a call pass: 0 if now, infinity while a probe is on its way."""

    def cooling_s(self, now: float) -> float:
        """Seconds that its rate limit lasts."""


#: The factors that change from request to request: errors, latency, load.
Lively = tuple[float, float, float]


class Values(NamedTuple):
    """The five factors of one deployment, each from 0 (worst) to 1 (best)."""

    errors: float
    residency: float
    latency: float
    price: float
    load: float


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor with its name and weight."""

    name: str
    value: float
    weight: float

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.value * self.weight


def factors(values: Values, weights: Weights) -> tuple[Factor, ...]:
    """The factors by name, for people."""
    return tuple(Factor(name, value, getattr(weights, name)) for name, value in values._asdict().items())


def blended(price: Price) -> float:
    """USD per token at three prompt tokens per answered one: one number, so that prices can be compared beforehand."""
    return (3.0 * price.input_per_token + price.output_per_token) / 4.0


def price_value(price: Price | None) -> float:
    """Free is 1; never better when dearer."""
    return _UNKNOWN_PRICE if price is None else 1.0 / (1.0 + blended(price) / _HALF_PRICE)


def residency_value(residency: Residency) -> float:
    """In memory is 1."""
    return _RESIDENCY[residency]


def lively_values(standing: Standing | None, now: float) -> Lively:
    """Errors, latency and load of one deployment, now."""
    if standing is None:
        return 1.0, _UNMEASURED, 1.0
    answer_ms = standing.answer_ms(now)
    latency = _UNMEASURED if answer_ms is None else 1.0 / (1.0 + answer_ms / _HALF_LATENCY_MS)
    well = 1.0 - standing.error_rate(now)
    # What fails at once is never busy and never slow, which must not look like having time.
    return well, well * latency * standing.pace(now), well / (1.0 + standing.in_flight / _HALF_LOAD)
