"""Several keys for one address: the next one when a key has reached its limit, and no more of one that is refused.

Knows nothing about dialects. Each key has connections of its own, because the key is in what they send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import aiohttp
from yarl import URL

from roundhouse.backends.openai.connection import read
from roundhouse.core.errors import BackendError, LimitError, RoundhouseError

_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN)
#: How long a key rests when the provider does not say.
_REST_S = 1.0


class Way(Protocol):
    """The way to a backend with one key, or with several."""

    async def get(self, url: URL) -> aiohttp.ClientResponse:
        """Ask for something small. To be released by the caller."""

    async def whole(self, path: bytes, body: bytes, timeout_s: float) -> bytes:
        """The body of an answer that is a success. Raises RoundhouseError."""

    async def stream(self, url: URL, body: bytes, timeout_s: float) -> aiohttp.ClientResponse:
        """The response to a streamed request. To be released by the caller."""

    async def close(self) -> None:
        """Let go of all sockets."""


@dataclass(slots=True)
class _Key:
    way: Way
    rests_until: float = 0.0
    refused: bool = False


class KeyRing:
    """The ways to one backend, one for each key."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._keys = [_Key(way) for way in ways]

    async def get(self, url: URL) -> aiohttp.ClientResponse:
        """Ask for something small, with the key that is used now. To be released by the caller."""
        return await self._usable()[0].way.get(url)

    async def whole(self, path: bytes, body: bytes, timeout_s: float) -> bytes:
        """The body of an answer that is a success. Raises RoundhouseError."""
        failed: RoundhouseError | None = None
        for key in self._usable():
            try:
                return await key.way.whole(path, body, timeout_s)
            except (LimitError, BackendError) as error:
                failed = self._noted(key, error)
        raise failed or self._resting()

    async def stream(self, url: URL, body: bytes, timeout_s: float) -> aiohttp.ClientResponse:
        """The response to a streamed request. To be released by the caller. Raises RoundhouseError."""
        failed: RoundhouseError | None = None
        for key in self._usable():
            response = await key.way.stream(url, body, timeout_s)
            if response.status != HTTPStatus.TOO_MANY_REQUESTS and response.status not in _REFUSED:
                return response
            try:
                async with response:
                    await read(response)
            except (LimitError, BackendError) as error:
                failed = self._noted(key, error)
        raise failed or self._resting()

    async def close(self) -> None:
        """Let go of all sockets."""
        for key in self._keys:
            await key.way.close()

    def _usable(self) -> list[_Key]:
        """The keys to try, the one in use first; all of them when all were refused: somebody may have paid.

        Raises LimitError when all that are not refused rest.
        """
        accepted = [key for key in self._keys if not key.refused] or self._keys
        now = asyncio.get_running_loop().time()
        usable = [key for key in accepted if key.rests_until <= now]
        if not usable:
            raise self._resting()
        return usable

    def _noted(self, key: _Key, error: RoundhouseError) -> RoundhouseError:
        """The same error, if another key may do better; else raises it."""
        if isinstance(error, LimitError):
            key.rests_until = asyncio.get_running_loop().time() + (error.retry_after_s or _REST_S)
            return error
        if error.details.get("status") not in _REFUSED:
            raise error
        key.refused = True
        return error

    def _resting(self) -> LimitError:
        accepted = [key for key in self._keys if not key.refused] or self._keys
        soonest = min(key.rests_until for key in accepted) - asyncio.get_running_loop().time()
        return LimitError("all its keys have reached their limits", retry_after_s=max(0.0, soonest))
