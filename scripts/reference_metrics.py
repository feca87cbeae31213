"""The reference page of metrics, read off what is told of a house with one backend, one model and one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from roundhouse.app.figuring.readings import Readings
from roundhouse.app.probing.presence import Presence
from roundhouse.core.events import Events
from roundhouse.core.figures.baselines import Pace
from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.telemetry.metrics import Metrics
from roundhouse.testing.backend import a_deployment
from roundhouse.testing.builders import a_usage_record
from roundhouse.testing.clock import FakeClock

_HEAD = """# Metrics

`/metrics` tells these in Prometheus' text format. No label is a name that clients can invent: `operation`, `outcome`
and `kind` have few values, `backend` is a backend's name, `(cache)` for what a cache answered, or `(none)` for what
nobody served, and `deployment` is `backend/model`. The 256 first deployments called have series of their own, the rest
of each backend is `other`; those that are gone have none. [How backends are protected](../explanation/protection.md)
says what breakers and baselines are.

This page is generated from what a running Roundhouse tells by `scripts/make_reference.py`.

| metric | type | labels | what |
|---|---|---|---|
"""


@dataclass
class _House:
    """One backend with one model."""

    deployment: Deployment = field(
        default_factory=lambda: replace(a_deployment("local/tiny"), traits=Traits(load_s=1.0))
    )
    presence: Presence = field(default_factory=Presence)

    @property
    def backends(self) -> Mapping[str, object]:
        """By name."""
        return {"local": None}

    def deployments(self) -> tuple[Deployment, ...]:
        """The one."""
        return (self.deployment,)


def page() -> str:
    """Every metric with its type and labels, by name."""
    families = text_string_to_metric_families(_told().decode())
    return _HEAD + "".join(_rows(sorted(families, key=lambda each: each.name)))


def _told() -> bytes:
    house, clock, standings = _House(), FakeClock(), Standings(lambda: 0.5)
    pacing = Pacing(standings.get, Events(), clock)
    pacing.measured(house.deployment.id, 1, Pace(1.0, 1.0))
    standings.of(house.deployment.id, "local")
    metrics, gates = Metrics(""), Gates(clock.monotonic, {"local": GateRules(max_concurrent=1)})
    metrics.observe(a_usage_record())
    metrics.readings = Readings(house, standings, gates, pacing, clock.monotonic)
    return metrics.render()


def _rows(families: list[Metric]) -> Iterator[str]:
    for each in families:
        if each.name.endswith("_created"):
            continue
        labels = {name: None for sample in each.samples for name in sample.labels if name != "le"}
        shown = ", ".join(f"`{name}`" for name in labels)
        name = each.name + ("_total" if each.type == "counter" else "")
        yield f"| `{name}` | {each.type} | {shown} | {each.documentation} |\n"
