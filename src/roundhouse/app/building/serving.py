"""Serving, and what is measured of it: each finished request is counted, written behind, and kept as figures."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from roundhouse.app.compose import Built, gates_of
from roundhouse.app.figuring import Figuring, open_figuring
from roundhouse.app.figuring.readings import Readings
from roundhouse.app.fleet import Fleet
from roundhouse.app.neighbours import Origin
from roundhouse.app.offline import stays_here
from roundhouse.app.probing import ELSEWHERE_S, HERE_S, Prober
from roundhouse.core.clock import Clock
from roundhouse.core.events import Events
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.standing import Standings
from roundhouse.library.marking import Marking
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.serve import Serving
from roundhouse.settings import BackendSettings, Settings
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
    events: Events
    clock: Clock


@dataclass(frozen=True, slots=True)
class Service:
    """Serving, and its figures."""

    serving: Serving
    figuring: Figuring
    #: What becomes of the record of a request.
    record: Callable[[UsageRecord], None]
    gates: Gates
    prober: Prober


async def open_service(
    stack: AsyncExitStack, settings: Settings, backends: Built, fleet: Fleet, standings: Standings, company: Company
) -> Service:
    """Make it; while *stack* is open, figures are written."""
    clock, metrics = company.clock, company.metrics
    figuring = await open_figuring(stack, company.database, standings, company.events, clock)
    record = _recording(company, figuring)
    gates = gates_of(settings, backends, clock)
    metrics.readings = Readings(fleet, standings, gates, figuring.pacing, clock.monotonic)
    fleet.tell(lambda deployments: metrics.deployments.keep(each.id for each in deployments))
    fleet.tell(figuring.look)
    serving = Serving(backends.by_name, fleet.snapshot, standings, record, clock, gates=gates)
    serving.warmed = fleet.warmed
    prober = Prober(fleet, standings, gates, pace_of(backends.wishes, backends.origins), clock.monotonic, random.random)
    fleet.tell(prober.look)
    return Service(serving, figuring, record, gates, prober)


def pace_of(wishes: Mapping[str, BackendSettings], origins: Mapping[str, Origin]) -> Callable[[str], float]:
    """Seconds between two checks of a backend."""

    def every_s(name: str) -> float:
        wish, origin = wishes.get(name), origins.get(name)
        if wish is not None and wish.health_s is not None:
            return wish.health_s
        is_here = origin is None or origin.url is None or stays_here(origin.url)
        return HERE_S if is_here else ELSEWHERE_S

    return every_s


def _recording(company: Company, figuring: Figuring) -> Callable[[UsageRecord], None]:
    def record(usage: UsageRecord) -> None:
        company.metrics.observe(usage)
        company.meter.record(usage)
        figuring.observe(usage)
        if usage.model is not None:
            company.marking.used(usage.model, usage.at)

    return record
