"""What was used, for the API and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from roundhouse.app.rooms import Rooms
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.views import Dimension


class Usage:
    """Sums and records, read from the ledger after what waits in memory has been written."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def usage(self, by: Dimension, since: datetime | None) -> Sequence[UsageSummary]:
        """Add up, busiest first."""
        await self._rooms.meter.flush()
        return await self._rooms.ledger.summary(by, since)

    async def requests(self, limit: int) -> Sequence[UsageRecord]:
        """List the latest requests, newest first."""
        await self._rooms.meter.flush()
        return await self._rooms.ledger.recent(limit=limit)
