"""HTTP to a server with an API of its own: whole answers, streamed ones, and failures that say whose they are.

Knows nothing about which API it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.openai.connection import (
    Connection,
    Terms,
    allow_silence,
    is_loopback,
    lost,
    read,
    read_to_end,
    unreachable,
)
from roundhouse.backends.openai.keys import KeyRing, Way, warning_of
from roundhouse.backends.wire.failures import excerpt
from roundhouse.backends.wire.mending import read_mended
from roundhouse.backends.wire.secrets import hide
from roundhouse.core.errors import BackendError, RoundhouseError

_T = TypeVar("_T")


class Calling:
    """The way to one server, with one key or several."""

    #: Who answers there, for people.
    who = "it"

    def __init__(self, name: str, url: str, keys: Sequence[str], terms: Terms) -> None:
        self.name, self.url = name, url
        self.local = is_loopback(url)
        self._keys, self._terms = tuple(keys), terms
        self._root = URL(url)
        self._ways = [Connection(self._root, key, terms) for key in self._keys or (None,)]
        self._way: Way = self._ways[0] if len(self._ways) == 1 else KeyRing(self._ways, terms.read_failure)

    async def fetch(self, url: URL) -> bytes:
        """The bytes that *url* answers. Raises RoundhouseError."""
        try:
            async with await self._way.get(url) as response:
                return await read(response, self._terms.read_failure)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def send(self, path: bytes, body: bytes, timeout_s: float) -> bytes:
        """The bytes that *path* answers to *body*. Raises RoundhouseError."""
        try:
            return await self._way.whole(path, body, timeout_s)
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def pieces(
        self, url: URL, body: bytes, timeout_s: float, enough: Callable[[], bool], idle_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed answer until there are *enough*. Raises RoundhouseError, on iteration."""
        begun, response = False, None
        try:
            response = await self._way.stream(url, body, timeout_s)
            await self._refuse(response)
            async for data in response.content.iter_any():
                if not begun:
                    begun = True
                    allow_silence(response, idle_s or self._terms.idle_s)
                yield data
                if enough():
                    break
            await read_to_end(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(lost(error, timeout_s, begun=begun)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__
        finally:
            # Closes the connection unless it was read to its end: that is what stops the work there.
            if response is not None:
                response.release()

    @property
    def warning(self) -> str | None:
        """What somebody should see to though it answers."""
        return warning_of(self._way)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._way.close()

    def decoded(self, data: bytes, shape: type[_T]) -> _T:
        """What *data* says. Raises BackendError when that is not of such a *shape*."""
        try:
            return read_mended(data, shape)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"that is not what {self.who} answers ({error}): {excerpt(data)}"
            raise self.named(BackendError(message)) from error

    def named(self, error: RoundhouseError) -> RoundhouseError:
        """The same error as what it really is, saying whose it is and never what our keys are."""
        if error.details.get("backend") == self.name:
            return error
        error = self._meant(error)
        hide(error, self._keys)
        error.message = f"{self.name}: {error.message}"
        error.args = (error.message,)
        error.details = {**error.details, "backend": self.name}
        return error

    def _meant(self, error: RoundhouseError) -> RoundhouseError:
        """The error that *error* stands for there."""
        return error

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise RoundhouseError when *response* is no stream."""
        if response.status != HTTPStatus.OK or response.content_type == "application/json":
            raise self._instead(await read(response, self._terms.read_failure))

    def _instead(self, data: bytes) -> RoundhouseError:
        """What *data* means, which came in one piece though a stream was asked for."""
        message = f"it answered in one piece although a stream was asked for: {excerpt(data)}"
        return BackendError(message)
