"""A cache in this process: the least recently used goes first. Knows nothing about what it keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roundhouse.core.clock import Clock

#: What one entry takes besides its key and its value: two dictionary slots, a tuple, three headers.
_ENTRY_BYTES = 300
#: No entry may take more than this share of the room: one long answer must not drive all others out.
_SHARE = 4


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    until: float
    size: int


class MemoryCache:
    """The port `Cache`, within *max_bytes*. All of it belongs to one event loop."""

    __slots__ = ("_clock", "_entries", "_max_bytes", "size")

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        #: Bytes that all entries take, about.
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, tenant: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What is kept under each of *keys*."""
        now = self._clock.monotonic()
        return [self._value((tenant, key), now) for key in keys]

    async def put(self, tenant: str, entries: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep *entries*, and forget those that nobody asked for the longest."""
        until = self._clock.monotonic() + ttl_s
        for key, value in entries.items():
            size = len(tenant) + len(key) + len(value) + _ENTRY_BYTES
            self._forget((tenant, key))
            if size * _SHARE <= self._max_bytes:
                self._entries[tenant, key] = _Entry(value, until, size)
                self.size += size
        while self.size > self._max_bytes:
            self._forget(next(iter(self._entries)))

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size = 0

    def _value(self, place: tuple[str, str], now: float) -> bytes | None:
        entry = self._entries.get(place)
        if entry is None:
            return None
        if now >= entry.until:
            self._forget(place)
            return None
        self._entries.move_to_end(place)
        return entry.value

    def _forget(self, place: tuple[str, str]) -> None:
        entry = self._entries.pop(place, None)
        if entry is not None:
            self.size -= entry.size
