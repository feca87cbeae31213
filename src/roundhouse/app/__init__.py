"""The composition root: builds the rooms from the settings and introduces them to each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from roundhouse import __version__
from roundhouse.access.guard import Guard
from roundhouse.access.principal import Principal
from roundhouse.app.build_events import feed_of, tell_progress
from roundhouse.app.compose import Foundations, build_backends, build_pulls, catalog_of, memory_of, policy_of, prices_of
from roundhouse.app.credentials import keyring_of, node_of
from roundhouse.app.desks import Desks
from roundhouse.app.fleet import Fleet
from roundhouse.app.offline import check_database
from roundhouse.app.rooms import Rooms
from roundhouse.app.shelf import Shelf
from roundhouse.core.clock import Clock, SystemClock
from roundhouse.core.events import Events
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Jobs
from roundhouse.health.standing import Standings
from roundhouse.library.library import Library
from roundhouse.serving.serve import Serving
from roundhouse.settings import Settings
from roundhouse.sources.bundled import NOISE_REF
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.telemetry.metrics import Metrics
from roundhouse.usage.meter import Meter

__all__ = ["Rooms", "Roundhouse", "open_roundhouse"]


@dataclass(frozen=True, slots=True)
class Roundhouse:
    """A running Roundhouse without a port."""

    rooms: Rooms
    management: Desks
    authenticate: Callable[[Mapping[str, Any]], Principal]
    metrics: Metrics

    @property
    def settings(self) -> Settings:
        """What it was started with."""
        return self.rooms.settings


@asynccontextmanager
async def open_roundhouse(settings: Settings, *, url: str, clock: Clock | None = None) -> AsyncIterator[Roundhouse]:
    """Build everything, take up what the last run left, and take it down again in the opposite order.

    Raises ConfigError, DiskError, NetworkError when something it stands on is not there.
    """
    if settings.downloads.offline:
        check_database(settings.storage.database_url)
    async with AsyncExitStack() as stack:
        rooms, metrics = await _furnish(stack, settings, url, clock or SystemClock())
        keyring = await asyncio.to_thread(keyring_of, settings.home)
        guard = Guard(keyring, bound_host=settings.server.host, public_url=settings.server.public_url)
        yield Roundhouse(rooms, Desks(rooms), guard.of_scope, metrics)


async def _furnish(stack: AsyncExitStack, settings: Settings, url: str, clock: Clock) -> tuple[Rooms, Metrics]:
    """Open the rooms from the ground floor up."""
    events, metrics, standings = Events(), Metrics(__version__), Standings(random.random)
    feed = feed_of(events, clock)
    database = await asyncio.to_thread(Database.open, settings.storage.database_url)
    stack.push_async_callback(database.close)
    ledger = SqlLedger(database)
    meter = Meter(ledger, settings.home / "usage.spool")
    await meter.start()
    stack.push_async_callback(meter.close)
    library = Library(settings.library.path, SqlArtifacts(database), events, clock)
    shelf = Shelf(library)
    backends = await build_backends(stack, settings, shelf, events)
    fleet = Fleet(
        backends.by_name,
        prices_of(settings, backends),
        settings.aliases,
        policy_of(settings),
        standings,
        shelf.restock,
    )
    if backends.embedded is not None:
        fleet.listen(events, backends.embedded)
    serving = Serving(backends.by_name, fleet.snapshot, standings, _recording(meter, metrics), clock)
    node = await asyncio.to_thread(node_of, settings.home)
    pulls, transfers, jobs = await build_pulls(stack, settings, Foundations(library, database, events, clock), node)
    rooms = Rooms(
        settings=settings,
        url=url,
        started_at=clock.now(),
        clock=clock,
        database=database,
        library=library,
        transfers=transfers,
        pulls=pulls,
        catalog=catalog_of(settings),
        memory=memory_of(settings),
        fleet=fleet,
        origins=backends.origins,
        found=backends.found,
        serving=serving,
        ledger=ledger,
        meter=meter,
        feed=feed,
    )
    await fleet.refresh()
    await pulls.recover()
    if backends.embedded is not None and not fleet.deployments():
        await _serve_noise(rooms, jobs)
    for name, work in (("fleet", fleet.run()), ("progress", tell_progress(feed, events, pulls.moving))):
        stack.push_async_callback(_end, asyncio.create_task(work, name=name))
    return rooms, metrics


def _recording(meter: Meter, metrics: Metrics) -> Callable[[UsageRecord], None]:
    """What becomes of the record of each request: it is counted, and written behind."""

    def record(usage: UsageRecord) -> None:
        metrics.observe(usage)
        meter.record(usage)

    return record


async def _serve_noise(rooms: Rooms, jobs: Jobs) -> None:
    """Let an empty house serve the bundled model, so that the whole path can be tried at once."""
    transfer = await rooms.pulls.start(NOISE_REF)
    await jobs.wait(transfer.id)
    await rooms.fleet.refresh()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
