"""Every limit that holds at a moment: of all downloads, of those from one source, and by the hour.

Knows nothing about downloads. All of them can be changed while bytes come; the lowest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from roundhouse.core.clock import Clock
from roundhouse.core.desks.schedule import Window, holding
from roundhouse.transfers.bandwidth import Bandwidth, Throttle, Throttles


class Scheduled:
    """A limit that changes with the hours of the week."""

    def __init__(self, clock: Clock, windows: Sequence[Window], bandwidth: Bandwidth) -> None:
        self._clock, self._windows, self._bandwidth = clock, windows, bandwidth

    @property
    def window(self) -> Window | None:
        """The hours that it is now."""
        return holding(self._windows, self._clock.now().astimezone()) if self._windows else None

    def _look(self) -> Bandwidth:
        window = self.window
        self._bandwidth.limit = None if window is None else window.bandwidth
        return self._bandwidth

    @property
    def grain(self) -> int:
        """Bytes to pay for at once."""
        return self._look().grain

    async def take(self, count: int) -> None:
        """Return when *count* bytes are paid for."""
        await self._look().take(count)


class Limits:
    """The limits that transfers share."""

    def __init__(
        self,
        clock: Clock,
        limit: int | None = None,
        by_source: Iterable[tuple[str, int | None]] = (),
        windows: Sequence[Window] = (),
    ) -> None:
        self._clock = clock
        #: What all together may take.
        self.shared = Bandwidth(clock, limit)
        self.scheduled = Scheduled(clock, windows, Bandwidth(clock))
        self._sources = {source: Bandwidth(clock, rate) for source, rate in by_source}

    def source(self, name: str) -> Bandwidth:
        """What all from one source may take; it can be changed at any moment."""
        return self._sources.setdefault(name, Bandwidth(self._clock))

    @property
    def by_source(self) -> Mapping[str, int]:
        """The sources that are limited."""
        return {name: each.limit for name, each in sorted(self._sources.items()) if each.limit}

    def of(self, source: str, *others: Throttle) -> Throttle:
        """All that holds for a transfer from *source*, with *others* that are its own."""
        return Throttles(*others, self.source(source), self.scheduled, self.shared)
