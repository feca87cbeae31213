"""A cache in Valkey or Redis. Knows nothing about what it keeps; when it is away or slow, everything is a miss.

How much room there is and what goes first is for the server to say (`maxmemory`, `allkeys-lru`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import structlog

from roundhouse.core.clock import Clock

if TYPE_CHECKING:  # the client takes 0.2 s to import, which only those pay who have such a server
    from redis.asyncio import Redis

_log = structlog.get_logger("roundhouse.storage")
_PREFIX = "roundhouse:cache:"
#: Seconds that reading may take: less than any upstream needs.
_READ_S = 0.02
#: Seconds that writing may take, after the answer is out.
_WRITE_S = 0.25
#: Seconds that a server is left alone which failed; doubles each time.
_PAUSE_S, _PAUSE_MOST_S = 1.0, 30.0
#: A longer value is not worth its way.
_LONGEST = 8 * 1024 * 1024
_CONNECTIONS = 64


class ValkeyCache:
    """The port `Cache`, at a server that other nodes may use as well."""

    def __init__(self, url: str, clock: Clock, *, read_s: float = _READ_S) -> None:
        self._client = _client(url)
        self._clock = clock
        self._read_s = read_s
        self._pause_s = _PAUSE_S
        self._away_until = 0.0

    async def get(self, tenant: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What is kept under each of *keys*; nothing when the server does not say so at once."""
        nothing: list[bytes | None] = [None] * len(keys)
        if not keys or self._is_away():
            return nothing
        try:
            async with asyncio.timeout(self._read_s):
                values = await self._client.mget([_place(tenant, key) for key in keys])
        except _failures() as error:
            self._leave_alone(error)
            return nothing
        self._pause_s = _PAUSE_S
        return cast("list[bytes | None]", values)

    async def put(self, tenant: str, entries: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep *entries* for so long."""
        lasting_ms = int(ttl_s * 1e3)
        if lasting_ms < 1 or self._is_away():
            return
        try:
            async with asyncio.timeout(_WRITE_S), self._client.pipeline(transaction=False) as batch:
                for key, value in entries.items():
                    if len(value) <= _LONGEST:
                        batch.set(_place(tenant, key), value, px=lasting_ms)
                await batch.execute()
        except _failures() as error:
            self._leave_alone(error)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    def _is_away(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _leave_alone(self, error: Exception) -> None:
        """Requests must not each pay the deadline for a server that is not there."""
        self._away_until = self._clock.monotonic() + self._pause_s
        _log.warning("the cache is away", reason=str(error) or "it is slow", retry_s=self._pause_s)
        self._pause_s = min(2 * self._pause_s, _PAUSE_MOST_S)


def _client(url: str) -> Redis:
    from redis.asyncio import Redis  # noqa: PLC0415 - see above
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    client: Redis = Redis.from_url(url, max_connections=_CONNECTIONS, retry=Retry(NoBackoff(), 0))
    return client


def _failures() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415 - see above

    return (RedisError, OSError, TimeoutError)


def _place(tenant: str, key: str) -> str:
    """Where the server keeps it. Hashed, because a tenant's name may hold anything, also what separates it here."""
    return _PREFIX + sha256(f"{len(tenant)}:{tenant}:{key}".encode("utf-8", "surrogatepass")).hexdigest()
