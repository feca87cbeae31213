"""The events of a Roundhouse in memory: the real feed, which needs nothing but memory anyway."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from roundhouse.core.clock import SystemClock
from roundhouse.core.desks.events import Told, Wish
from roundhouse.telemetry.feed import Feed


@dataclass
class InMemoryEvents:
    """Letting people listen."""

    #: What has happened; publish to it what a test needs.
    feed: Feed = field(default_factory=lambda: Feed(SystemClock()), kw_only=True)

    def listen(self, wish: Wish) -> AbstractContextManager[AsyncIterator[Told]]:
        """Hear events. Raises SchemaError, LimitError."""
        return self.feed.listen(wish)
