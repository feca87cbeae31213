"""What keeps models: their marks, and the collector. The names of concrete classes are here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack

from roundhouse.core.clock import Clock
from roundhouse.core.events import Events
from roundhouse.core.ports import Transfers
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking
from roundhouse.settings import Settings
from roundhouse.storage.database import Database
from roundhouse.storage.marks import SqlMarks
from roundhouse.upkeep.collecting import Collector, CollectorSettings


async def open_marking(stack: AsyncExitStack, database: Database, events: Events) -> Marking:
    """Read the marks, and write them behind while *stack* is open. Raises what the database raises."""
    marking = Marking(SqlMarks(database))
    await marking.start()
    stack.push_async_callback(marking.close)
    events.subscribe(marking.listen)
    return marking


def collector_of(
    settings: Settings,
    library: Library,
    transfers: Transfers,
    marking: Marking,
    clock: Clock,
    in_use: Callable[[], Collection[str]],
) -> Collector:
    """Make the collector as the settings want it."""
    chosen = CollectorSettings(offline=settings.downloads.offline, aliases=settings.aliases)
    return Collector(library, transfers, marking, clock, in_use, chosen)
