"""Serving, and what is measured of it: each finished request is counted, written behind, and kept as figures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from roundhouse.app.compose import Built, gates_of
from roundhouse.app.figuring import Figuring, open_figuring
from roundhouse.app.figuring.readings import Readings
from roundhouse.app.fleet import Fleet
from roundhouse.core.clock import Clock
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.standing import Standings
from roundhouse.library.marking import Marking
from roundhouse.serving.serve import Serving
from roundhouse.settings import Settings
from roundhouse.storage.database import Database
from roundhouse.telemetry.metrics import Metrics
from roundhouse.usage.meter import Meter


@dataclass(frozen=True, slots=True)
class Company:
    """Those who hear of each finished request."""

    database: Database
    meter: Meter
    metrics: Metrics
    marking: Marking
    clock: Clock


@dataclass(frozen=True, slots=True)
class Service:
    """Serving, and its figures."""

    serving: Serving
    figuring: Figuring
    #: What becomes of the record of a request.
    record: Callable[[UsageRecord], None]


async def open_service(
    stack: AsyncExitStack, settings: Settings, backends: Built, fleet: Fleet, standings: Standings, company: Company
) -> Service:
    """Make it; while *stack* is open, figures are written."""
    clock, metrics = company.clock, company.metrics
    figuring = open_figuring(stack, company.database, clock)
    record = _recording(company, figuring)
    gates = gates_of(settings, backends, clock)
    metrics.readings = Readings(fleet, standings, gates, clock.monotonic)
    fleet.tell(lambda deployments: metrics.deployments.keep(each.id for each in deployments))
    fleet.tell(figuring.look)
    serving = Serving(backends.by_name, fleet.snapshot, standings, record, clock, gates=gates)
    return Service(serving, figuring, record)


def _recording(company: Company, figuring: Figuring) -> Callable[[UsageRecord], None]:
    def record(usage: UsageRecord) -> None:
        company.metrics.observe(usage)
        company.meter.record(usage)
        figuring.history.observe(usage)
        if usage.model is not None:
            company.marking.used(usage.model, usage.at)

    return record
