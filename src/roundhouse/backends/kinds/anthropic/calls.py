"""HTTP to Anthropic: each call is one method, each failure an error of ours that says whose it is.

Knows nothing about what the answers mean.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus

import aiohttp
from yarl import URL

from roundhouse.backends.kinds.anthropic.failures import instead_of_stream, read_failure
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
from roundhouse.backends.openai.keys import KeyRing, Way
from roundhouse.core.errors import RoundhouseError

_PATH = "/v1/messages"


class Calls:
    """The way to Anthropic, or to whatever speaks like it."""

    def __init__(self, name: str, url: str, keys: Sequence[str], terms: Terms) -> None:
        self.name = name
        self.url = url.rstrip("/").removesuffix("/v1")
        self.local = is_loopback(self.url)
        self._keys = tuple(keys)
        self._terms = terms
        self._messages = URL(self.url + _PATH, encoded=True)
        self._path = self._messages.raw_path.encode("ascii")
        ways = [Connection(self._messages, key, terms) for key in self._keys or (None,)]
        self._connection: Way = ways[0] if len(ways) == 1 else KeyRing(ways, read_failure)

    async def get(self, path: str) -> bytes:
        """The bytes that *path* answers. Raises RoundhouseError."""
        try:
            async with await self._connection.get(URL(self.url + path, encoded=True)) as response:
                return await read(response, read_failure)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def whole(self, body: bytes, timeout_s: float) -> bytes:
        """The bytes of a whole message. Raises RoundhouseError."""
        try:
            return await self._connection.whole(self._path, body, timeout_s)
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def stream(self, body: bytes, timeout_s: float, enough: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed message until there are *enough*. Raises RoundhouseError, on iteration."""
        begun, response = False, None
        try:
            response = await self._connection.stream(self._messages, body, timeout_s)
            if response.status != HTTPStatus.OK or response.content_type == "application/json":
                raise instead_of_stream(await read(response, read_failure))
            async for data in response.content.iter_any():
                if not begun:
                    begun = True
                    allow_silence(response, self._terms.idle_s)
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

    async def close(self) -> None:
        """Let go of all connections."""
        await self._connection.close()

    def named(self, error: RoundhouseError) -> RoundhouseError:
        """The same error, saying whose it is and never what our keys are."""
        if error.details.get("backend") == self.name:
            return error
        message = error.message
        for key in self._keys:
            message = message.replace(key, "…")
        error.message = f"{self.name}: {message}"
        error.args = (error.message,)
        error.details = {**error.details, "backend": self.name}
        return error
