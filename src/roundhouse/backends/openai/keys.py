"""Several keys for one address: the next one when a key has reached its limit, and no more of one that is refused.

What an answer's headers say to be used up makes its key the last choice until it is there again, before it is refused.

Knows nothing about dialects. Each key has connections of its own, because the key is in what they send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import aiohttp
from yarl import URL

from roundhouse.backends.openai.connection import Connection, read
from roundhouse.backends.wire.failures import Failure, KeyRefusedError, failure
from roundhouse.backends.wire.limits import spent_s
from roundhouse.core.errors import LimitError, RoundhouseError

#: Statuses with which a key may be meant: some say with 400 that they do not know it, some with 402 that it is empty.
_ABOUT_KEYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
)
#: How long a key rests when the provider does not say.
_REST_S = 1.0
#: What a header says is believed for so long: the next answer says it again.
_LONGEST_S = 600.0
#: Whatever a provider says, tomorrow it is asked again.
_LONGEST_REST_S = 86_400.0


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
    way: Connection
    rests_until: float = 0.0
    #: Until then it would be refused, as its last answer said; better than no key.
    spent_until: float = 0.0
    refused: bool = False

    def hear(self, headers: Mapping[str, str]) -> None:
        """Note what an answer has used up."""
        wait_s = spent_s(headers)
        if wait_s is not None:
            self.spent_until = asyncio.get_running_loop().time() + min(wait_s, _LONGEST_S)


def warning_of(way: Way) -> str | None:
    """What somebody should see to; a single key that is refused is an error."""
    return way.warning if isinstance(way, KeyRing) else None


class KeyRing:
    """The ways to one backend, one for each key."""

    def __init__(self, ways: Sequence[Connection], read_failure: Failure = failure) -> None:
        self._keys = [_Key(way) for way in ways]
        self._read_failure = read_failure

    async def get(self, url: URL) -> aiohttp.ClientResponse:
        """Ask for something small, also with keys that rest: what limits answers does not limit that.

        To be released by the caller. Raises RoundhouseError.
        """
        keys = sorted(self._accepted(), key=lambda key: key.rests_until)
        return (await self._first(lambda way: way.get(url), keys))[1]

    async def whole(self, path: bytes, body: bytes, timeout_s: float) -> bytes:
        """The body of an answer that is a success. Raises RoundhouseError."""
        failed: RoundhouseError | None = None
        for key in self._usable():
            try:
                return await key.way.whole(path, body, timeout_s, heard=key.hear)
            except (LimitError, KeyRefusedError) as error:
                failed = self._noted(key, error)
        raise failed or self._resting()

    async def stream(self, url: URL, body: bytes, timeout_s: float) -> aiohttp.ClientResponse:
        """The response to a streamed request. To be released by the caller. Raises RoundhouseError."""
        key, response = await self._first(lambda way: way.stream(url, body, timeout_s), self._usable())
        key.hear(response.headers)
        return response

    @property
    def warning(self) -> str | None:
        """How many keys are refused; ``None`` when none is. Never which ones: they are secrets."""
        refused = sum(key.refused for key in self._keys)
        return f"{refused} of {len(self._keys)} keys {'is' if refused == 1 else 'are'} refused" if refused else None

    async def close(self) -> None:
        """Let go of all sockets."""
        for key in self._keys:
            await key.way.close()

    async def _first(
        self, ask: Callable[[Way], Awaitable[aiohttp.ClientResponse]], keys: Sequence[_Key]
    ) -> tuple[_Key, aiohttp.ClientResponse]:
        """The first response that none of *keys* is to blame for, and the one that it came with."""
        failed: RoundhouseError | None = None
        for key in keys:
            response = await ask(key.way)
            if response.status not in _ABOUT_KEYS:
                return key, response
            try:
                async with response:
                    await read(response, self._read_failure)
            except (LimitError, KeyRefusedError) as error:
                failed = self._noted(key, error)
        raise failed or self._resting()

    def _accepted(self) -> list[_Key]:
        """The keys that were not refused; all of them when all were: somebody may have paid."""
        return [key for key in self._keys if not key.refused] or self._keys

    def _usable(self) -> list[_Key]:
        """The keys to try, the one in use first, and last those that have used up what they may, the soonest first.

        Raises LimitError when all that are not refused rest.
        """
        now = asyncio.get_running_loop().time()
        usable = [key for key in self._accepted() if key.rests_until <= now]
        if not usable:
            raise self._resting()
        return sorted(usable, key=lambda key: max(now, key.spent_until))

    def _noted(self, key: _Key, error: RoundhouseError) -> RoundhouseError:
        """The same error, after which another key may do better."""
        if isinstance(error, LimitError):
            rest_s = min(error.retry_after_s or _REST_S, _LONGEST_REST_S)
            key.rests_until = asyncio.get_running_loop().time() + rest_s
        else:
            key.refused = True
        return error

    def _resting(self) -> LimitError:
        soonest = min(key.rests_until for key in self._accepted()) - asyncio.get_running_loop().time()
        return LimitError("all its keys have reached their limits", retry_after_s=max(0.0, soonest))
