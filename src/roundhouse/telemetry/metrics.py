"""Counters and histograms of finished requests, in Prometheus' format. Knows nothing about who asks for them.

Fed with usage records. Labels have few values by construction: a model or user name as a label is a memory
leak that clients can open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from roundhouse.core.ledger import UsageRecord
from roundhouse.telemetry.deployments import DeploymentMetrics, Reading

#: Seconds. Few: each costs memory per label, and each observation walks them.
_LATENCY = (0.05, 0.25, 1.0, 5.0, 20.0, 60.0, 300.0)
_FIRST_TOKEN = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
_OVERHEAD = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.02, 0.1)

#: In the place of a backend: a cache that answered, or nobody. No backend can be called that.
_CACHE, _NOBODY = "(cache)", "(none)"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Series:
    """The children of one operation and backend, looked up once."""

    latency: Histogram
    first_token: Histogram
    overhead: Histogram
    prompt: Counter
    completion: Counter
    cost: Counter


class Metrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self.deployments = DeploymentMetrics()
        #: Told which deployments have series of their own, gives what else is to be read of them and of backends.
        self.readings: Callable[[Collection[str]], Iterable[Reading]] = lambda _named: ()
        by = ("operation", "backend")
        registry = self.registry
        self._requests = Counter("roundhouse_requests", "Finished requests.", (*by, "outcome"), registry=registry)
        self._latency = _histogram("latency", "Whole requests.", by, _LATENCY, registry)
        self._first_token = _histogram("first_token", "Until the first visible piece.", by, _FIRST_TOKEN, registry)
        self._overhead = _histogram("overhead", "Our own share, without backends.", by, _OVERHEAD, registry)
        self._tokens = Counter("roundhouse_tokens", "Tokens.", (*by, "kind"), registry=registry)
        self._cost = Counter("roundhouse_cost_usd", "Known costs.", by, registry=registry)
        Gauge("roundhouse_build_info", "1.", ("version",), registry=registry).labels(version).set(1)
        # Bounded by the labels' few values, like the registry itself.
        self._outcomes: dict[tuple[str, str, str], Counter] = {}
        self._series: dict[tuple[str, str], _Series] = {}

    def observe(self, record: UsageRecord) -> None:
        """Count one finished request."""
        # What a cache answered says nothing about the backend that answered once.
        operation, backend = record.operation, _CACHE if record.cache else record.backend or _NOBODY
        outcome = self._outcomes.get((operation, backend, record.outcome))
        if outcome is None:
            outcome = self._requests.labels(operation, backend, record.outcome)
            self._outcomes[operation, backend, record.outcome] = outcome
        outcome.inc()
        series = self._series.get((operation, backend)) or self._add(operation, backend)
        series.latency.observe(record.latency_ms / 1e3)
        series.overhead.observe(record.overhead_ms / 1e3)
        if record.first_token_ms is not None:
            series.first_token.observe(record.first_token_ms / 1e3)
        series.prompt.inc(record.prompt_tokens)
        series.completion.inc(record.completion_tokens)
        if record.cost_usd:
            series.cost.inc(record.cost_usd)
        self.deployments.observe(record)

    def render(self) -> bytes:
        """All of it as text, to be sent as ``CONTENT_TYPE``."""
        deployments = self.deployments
        return generate_latest(self.registry) + deployments.render(self.readings(deployments.named))

    def _add(self, operation: str, backend: str) -> _Series:
        series = self._series[operation, backend] = _Series(
            self._latency.labels(operation, backend),
            self._first_token.labels(operation, backend),
            self._overhead.labels(operation, backend),
            self._tokens.labels(operation, backend, "prompt"),
            self._tokens.labels(operation, backend, "completion"),
            self._cost.labels(operation, backend),
        )
        return series


def _histogram(
    name: str, what: str, by: tuple[str, ...], bounds: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(f"roundhouse_{name}_seconds", what, by, buckets=bounds, registry=registry)
