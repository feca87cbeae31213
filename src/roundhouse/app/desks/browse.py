"""Models that could be had from elsewhere, for the API."""

from __future__ import annotations

from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.browse import Browsing, Query


class BrowseDesk:
    """Looking around in a hub."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def browse(self, query: Query) -> Browsing:
        """Search the hub of the settings. Raises OfflineError, NetworkError, LimitError, AuthError, SchemaError."""
        downloads = self._rooms.settings.downloads
        offers = await self._rooms.catalog.browse(query)
        return Browsing(downloads.endpoint, self._rooms.memory.limit, tuple(offers))
