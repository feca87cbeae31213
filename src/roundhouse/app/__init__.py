"""The composition root: builds the rooms from the settings and introduces them to each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from roundhouse import __version__
from roundhouse.access.guard import Guard
from roundhouse.access.principal import Principal
from roundhouse.app.building.events import feed_of, tell_progress
from roundhouse.app.building.keeping import collector_of, open_marking
from roundhouse.app.building.licenses import build_book
from roundhouse.app.building.migrations import build_migrations
from roundhouse.app.building.serving import Company, open_service
from roundhouse.app.building.signing import seals_of
from roundhouse.app.building.watching import unending
from roundhouse.app.caching import build_caching
from roundhouse.app.cards import Cards
from roundhouse.app.compose import (
    Built,
    Ground,
    build_backends,
    build_pulls,
    hub_of,
    memory_of,
    policy_of,
    prices_of,
)
from roundhouse.app.credentials import keyring_of, node_of
from roundhouse.app.desks import Desks
from roundhouse.app.desks.views import shown_under
from roundhouse.app.fleet import Fleet
from roundhouse.app.listing import Listing
from roundhouse.app.offline import OfflineCatalog, check_database
from roundhouse.app.rooms import Rooms
from roundhouse.app.roster import Roster
from roundhouse.app.shelf import Shelf
from roundhouse.core.clock import Clock, SystemClock
from roundhouse.core.events import Events
from roundhouse.core.ports import Artifacts, Jobs
from roundhouse.health.standing import Standings
from roundhouse.library.exchange import Exchange
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking
from roundhouse.migration import Hall
from roundhouse.serving.admission.gates import Gates
from roundhouse.settings import Settings
from roundhouse.sources.bundled import NOISE_REF
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.telemetry.metrics import Metrics
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.repair import Repairs
from roundhouse.usage.meter import Meter

__all__ = ["Rooms", "Roundhouse", "open_roundhouse"]


@dataclass(frozen=True, slots=True)
class Roundhouse:
    """A running Roundhouse without a port."""

    rooms: Rooms
    management: Desks
    authenticate: Callable[[Mapping[str, Any]], Principal]
    metrics: Metrics
    #: What this node is called by other nodes.
    node: str

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
        node = await asyncio.to_thread(node_of, settings.home)
        yield Roundhouse(rooms, Desks(rooms), guard.of_scope, metrics, node)


async def _furnish(stack: AsyncExitStack, settings: Settings, url: str, clock: Clock) -> tuple[Rooms, Metrics]:
    """Open the rooms from the ground floor up."""
    events, metrics = Events(), Metrics(__version__)
    standings = Standings(random.random, events=events)
    feed = feed_of(events, clock)
    database = await _database(stack, settings)
    meter = await _metering(stack, ledger := SqlLedger(database), settings)
    artifacts = SqlArtifacts(database)  # one, because it remembers its list
    marking = await open_marking(stack, database, events)
    book = await build_book(settings, database, clock)
    library, shelf = await _stocked(settings, artifacts, events, clock, book)
    backends = await build_backends(stack, settings, shelf, events, clock)
    fleet = _fleet(settings, backends, shelf, standings, events)
    hub = await asyncio.to_thread(hub_of, settings)
    pulls, transfers, jobs = await build_pulls(stack, settings, Ground(library, database, events, clock, book, hub))
    company = Company(database, meter, metrics, marking, events, clock)
    service = await open_service(stack, settings, backends, fleet, standings, company)
    rooms = Rooms(
        settings=settings,
        url=url,
        started_at=clock.now(),
        clock=clock,
        database=database,
        library=library,
        exchange=await _open_exchange(library, marking, settings),
        transfers=transfers,
        pulls=pulls,
        repairs=Repairs(library, pulls.supply(), clock),
        licenses=book,
        catalog=OfflineCatalog() if settings.downloads.offline else hub,
        memory=memory_of(settings, backends.need_of),
        fleet=fleet,
        origins=backends.origins,
        neighbours=backends.neighbours,
        roster=_roster(stack, settings, backends, fleet, service.gates),
        serving=service.serving,
        answering=build_caching(stack, settings, service.serving, service.record, clock),
        ledger=ledger,
        meter=meter,
        migrations=build_migrations(stack, settings, Hall(library, artifacts), clock, fleet.refresh),
        feed=feed,
        marking=marking,
        listing=Listing(library, fleet, marking, book, shown_under(book)),
        collector=collector_of(settings, library, transfers, marking, clock, backends.in_use),
        figuring=service.figuring,
    )
    await _take_up(rooms, jobs, embedded=backends.embedded is not None)
    _keep(stack, "the fleet", fleet.run)
    _keep(stack, "progress", partial(tell_progress, feed, events, pulls.moving))
    _keep(stack, "discovery", partial(backends.neighbours.run, rooms.roster.follow, settings.discovery.every_s))
    _keep(stack, "health", service.prober.run)
    return rooms, metrics


async def _database(stack: AsyncExitStack, settings: Settings) -> Database:
    database = await asyncio.to_thread(Database.open, settings.storage.database_url)
    stack.push_async_callback(database.close)
    return database


async def _metering(stack: AsyncExitStack, ledger: SqlLedger, settings: Settings) -> Meter:
    """The meter, with what the last run did not get to write."""
    meter = Meter(ledger, settings.home / "usage.spool")
    await meter.start()
    stack.push_async_callback(meter.close)
    return meter


def _keep(stack: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Let *work* go on while *stack* is open."""
    stack.push_async_callback(_end, asyncio.create_task(unending(name, work), name=name))


def _fleet(settings: Settings, backends: Built, shelf: Shelf, standings: Standings, events: Events) -> Fleet:
    """All deployments, asked for again when those of the library change."""
    fleet = Fleet(
        backends.by_name,
        prices_of(backends.wishes, backends.origins),
        settings.aliases,
        policy_of(settings),
        standings,
        shelf.restock,
    )
    fleet.listen(events, backends.loading)
    return fleet


async def _take_up(rooms: Rooms, jobs: Jobs, *, embedded: bool) -> None:
    """Go on where the last run stopped; an empty house gets something to serve."""
    await rooms.fleet.refresh()
    await rooms.pulls.recover()
    await rooms.migrations.recover()
    if embedded and not rooms.fleet.deployments():
        await _serve_noise(rooms, jobs)


async def _open_exchange(library: Library, marking: Marking, settings: Settings) -> Exchange:
    """The library's way out and in, without what killed imports have left."""
    exchange = Exchange(library, min_free=settings.library.min_free, marking=marking)
    await asyncio.to_thread(exchange.tidy)
    return exchange


async def _stocked(
    settings: Settings, artifacts: Artifacts, events: Events, clock: Clock, book: LicenseBook
) -> tuple[Library, Shelf]:
    """The library, tidied up after a kill, and its shelf."""
    keep = settings.library.keep_revisions
    seals = seals_of(settings)
    library = Library(settings.library.path, artifacts, events, clock, keep_revisions=keep, seals=seals)
    await library.tidy()
    cards = Cards(settings.home / "cards.json")
    await asyncio.to_thread(cards.open)
    shelf = Shelf(library, book, cards, lora=settings.runtime.lora, drafts=dict(settings.runtime.draft))
    # Before the runtime hears of it: once it has let go of the old revision, it shall find the new one.
    events.subscribe(shelf.heard)
    return library, shelf


def _roster(stack: AsyncExitStack, settings: Settings, built: Built, fleet: Fleet, gates: Gates) -> Roster:
    """Those who serve, to be added to and taken from."""
    roster = Roster(settings, built, fleet, gates)
    stack.push_async_callback(roster.close)
    return roster


async def _serve_noise(rooms: Rooms, jobs: Jobs) -> None:
    """Let an empty house serve the bundled model, so that the whole path can be tried at once."""
    transfer = await rooms.pulls.start(NOISE_REF)
    await jobs.wait(transfer.id)
    await rooms.fleet.refresh()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
