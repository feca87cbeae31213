"""The rooms of a running Roundhouse, introduced to each other. Holds them; does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from roundhouse.app.figuring import Figuring
from roundhouse.app.fleet import Fleet
from roundhouse.app.listing import Listing
from roundhouse.app.neighbours import Neighbours, Origin
from roundhouse.core.clock import Clock
from roundhouse.core.desks.browse import Memory
from roundhouse.core.ports import Catalog, Ledger, Transfers
from roundhouse.library.exchange import Exchange
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking
from roundhouse.migration import Migrations
from roundhouse.serving.caching.responses import Caching
from roundhouse.serving.serve import Serving
from roundhouse.settings import Settings
from roundhouse.storage.database import Database
from roundhouse.telemetry.feed import Feed
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.collecting import Collector
from roundhouse.upkeep.pull import Pulls
from roundhouse.upkeep.repair import Repairs
from roundhouse.usage.meter import Meter

if TYPE_CHECKING:  # it makes backends, as the composition root does, which imports what stands on these rooms
    from roundhouse.app.roster import Roster


@dataclass(frozen=True, slots=True)
class Rooms:
    """What ``app`` has built, for the desks and the server."""

    settings: Settings
    url: str
    started_at: datetime
    clock: Clock
    database: Database
    library: Library
    exchange: Exchange
    transfers: Transfers
    pulls: Pulls
    repairs: Repairs
    licenses: LicenseBook
    catalog: Catalog
    memory: Memory
    fleet: Fleet
    #: By backend name.
    origins: Mapping[str, Origin]
    neighbours: Neighbours
    roster: Roster
    serving: Serving
    #: The same with a memory, unless that is switched off.
    answering: Caching | Serving
    ledger: Ledger
    meter: Meter
    migrations: Migrations
    feed: Feed
    marking: Marking
    listing: Listing
    collector: Collector
    figuring: Figuring
