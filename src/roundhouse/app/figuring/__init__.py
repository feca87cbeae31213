"""What carries figures from memory to the database, and what puts them together for people."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import structlog

from roundhouse.app.building.watching import unending
from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.events import Events
from roundhouse.core.figures import FiguresStore, HourOf
from roundhouse.core.figures.baselines import BaselinesStore
from roundhouse.core.inference import Deployment
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.history import Calls, History
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.storage.database import Database
from roundhouse.storage.history import SqlFigures
from roundhouse.storage.history.baselines import SqlBaselines

_log = structlog.get_logger("roundhouse.figures")
_EVERY_S = 60.0
_HOUR_S = 3600
#: Hours that are kept: 90 days.
_KEPT = 90 * 24


class Figuring:
    """What is measured, and the stores behind it. What was not written when the machine dies is a minute at most."""

    def __init__(
        self, history: History, store: FiguresStore, pacing: Pacing, baselines: BaselinesStore, clock: Clock
    ) -> None:
        self.history = history
        self.pacing = pacing
        self._store = store
        self._baselines = baselines
        self._clock = clock
        #: Every run writes rows of its own.
        self._part = secrets.token_hex(8)
        self._pruned = 0
        self._turn = asyncio.Lock()
        #: What loading took when we last looked, by deployment.
        self._loads: dict[str, float] = {}

    async def run(self) -> None:
        """Write every minute."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new, and forget what is too old. What cannot be written now is written later."""
        async with self._turn:
            hour = self._hour()
            taken = self.history.take(hour)
            try:
                await self._store.put(self._part, taken)
                if hour != self._pruned:
                    await self._store.prune(hour - _KEPT)
                    self._pruned = hour
            except RoundhouseError as error:
                self.history.give_back(taken)
                _log.warning("figures wait in memory", reason=error.message)
            await self._keep_baselines()

    def observe(self, record: UsageRecord) -> None:
        """Take one finished request."""
        self.history.observe(record)
        self.pacing.observe(record)

    async def hours(self, most: int, backend: str | None) -> Sequence[HourOf]:
        """The last hours, this one included. Raises what the database raises."""
        await self.flush()
        return await self._store.since(self._hour() - most + 1, backend)

    def look(self, deployments: Sequence[Deployment]) -> None:
        """See who has loaded since the last look: whoever tells of another time than before."""
        loads = {each.id: each.traits.load_s for each in deployments if each.traits.load_s is not None}
        for name, load_s in loads.items():
            if self._loads.get(name) != load_s:
                self.history.loaded(self._hour(), name, load_s)
        self._loads = loads

    def calls(self, deployment: str) -> Calls:
        """The last calls to one."""
        return self.history.calls(deployment)

    async def _keep_baselines(self) -> None:
        fresh = self.pacing.take()
        try:
            await self._baselines.put(fresh)
        except RoundhouseError as error:
            self.pacing.give_back(fresh)
            _log.warning("baselines wait in memory", reason=error.message)

    def _hour(self) -> int:
        return int(self._clock.now().timestamp()) // _HOUR_S


async def open_figuring(
    stack: AsyncExitStack, database: Database, standings: Standings, events: Events, clock: Clock
) -> Figuring:
    """Begin to measure; while *stack* is open it is written every minute, and once more at its end."""
    pacing, baselines = Pacing(standings.get, events, clock), SqlBaselines(database)
    pacing.load(await baselines.all())
    figuring = Figuring(History(), SqlFigures(database), pacing, baselines, clock)
    stack.push_async_callback(_stop, asyncio.create_task(unending("figures", figuring.run), name="figures"), figuring)
    return figuring


async def _stop(task: asyncio.Task[None], figuring: Figuring) -> None:
    """End the writing, with what is new written."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await figuring.flush()


def moment(hour: int) -> datetime:
    """When an hour began."""
    return datetime.fromtimestamp(hour * _HOUR_S, UTC)
