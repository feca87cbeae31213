"""What happens, while it happens, for the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.events import Told, Wish


class EventDesk:
    """Letting people listen."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def listen(self, wish: Wish) -> AbstractContextManager[AsyncIterator[Told]]:
        """Hear events until the feed ends or the listener is too slow. Raises SchemaError, LimitError."""
        return self._rooms.feed.listen(wish)
