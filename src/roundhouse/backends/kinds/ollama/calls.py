"""HTTP to one Ollama: each call is one method, each failure an error of ours that says whose it is.

Knows nothing about what the answers mean.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
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
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError, LimitError, NotFoundError, RoundhouseError, SchemaError

_T = TypeVar("_T")
_OVERFLOW = re.compile(
    r"context (length|window|size)|exceeds? .{0,40}context|input (is )?too (long|large)", re.IGNORECASE
)
_SHORT_S = 10.0
#: How long to leave it alone when its queue is full and it does not say.
_BUSY_S = 1.0


class Calls:
    """The way to one Ollama."""

    def __init__(self, name: str, url: str, api_key: str | None = None, terms: Terms | None = None) -> None:
        self.name = name
        base = url.rstrip("/")
        #: Whoever configured it as an OpenAI address means the same server.
        self.url = base.removesuffix("/v1").removesuffix("/api")
        self.local = is_loopback(self.url)
        self._api_key = api_key
        self._terms = terms or Terms()
        root = URL(self.url)
        self._prefix = root.raw_path.rstrip("/")
        self._connection = Connection(root, api_key, self._terms)

    async def get(self, path: str, shape: type[_T]) -> _T:
        """What *path* answers. Raises RoundhouseError."""
        try:
            async with await self._connection.get(self._url(path)) as response:
                return self._decoded(await read(response), shape)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def post(self, path: str, body: object, shape: type[_T], timeout_s: float = _SHORT_S) -> _T:
        """What *path* answers to a small question. Raises RoundhouseError."""
        return self._decoded(await self.whole(path, msgspec.json.encode(body), timeout_s), shape)

    async def whole(self, path: str, body: bytes, timeout_s: float) -> bytes:
        """The bytes that *path* answers. Raises RoundhouseError."""
        try:
            return await self._connection.whole((self._prefix + path).encode(), body, timeout_s)
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def delete(self, path: str, body: object) -> None:
        """Have something deleted. Raises RoundhouseError."""
        try:
            async with await self._connection.delete(self._url(path), msgspec.json.encode(body)) as response:
                await read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def stream(
        self, path: str, body: bytes, timeout_s: float, enough: Callable[[], bool], idle_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed answer until there are *enough*. Raises RoundhouseError, on iteration."""
        begun, response = False, None
        try:
            response = await self._connection.stream(self._url(path), body, timeout_s)
            if response.status != HTTPStatus.OK:
                await read(response)
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

    async def close(self) -> None:
        """Let go of all connections."""
        await self._connection.close()

    def named(self, error: RoundhouseError) -> RoundhouseError:
        """The same error as what it really is, saying whose it is and never what our key is."""
        if error.details.get("backend") == self.name:
            return error
        if "maximum pending requests" in error.message or "server busy" in error.message:
            error = LimitError(error.message, retry_after_s=error.retry_after_s or _BUSY_S, details=error.details)
        elif isinstance(error, BackendError) and is_overflow(error):
            # Some versions say with a 500 that a prompt is too long.
            error = SchemaError(error.message, hint="ask for less", details=error.details)
        elif "requires a newer version" in error.message:
            error.hint = "update Ollama"
        message = error.message if self._api_key is None else error.message.replace(self._api_key, "…")
        error.message = f"{self.name}: {message}"
        error.args = (error.message,)
        error.details = {**error.details, "backend": self.name}
        return error

    def _url(self, path: str) -> URL:
        return URL(self.url + path, encoded=True)

    def _decoded(self, data: bytes, shape: type[_T]) -> _T:
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"that is not what Ollama answers ({error}): {excerpt(data)}"
            raise self.named(BackendError(message)) from error


def is_overflow(error: RoundhouseError) -> bool:
    """Whether it says that a prompt does not fit the context."""
    return _OVERFLOW.search(error.message) is not None


def missing(error: RoundhouseError, upstream: str) -> RoundhouseError:
    """The same error; that a model is not there, where somebody named just that one, is not the backend's failure."""
    if error.details.get("status") != HTTPStatus.NOT_FOUND:
        return error
    return NotFoundError(error.message, hint=f"pull {upstream} first", details=error.details)
