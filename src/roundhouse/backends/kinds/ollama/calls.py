"""HTTP to one Ollama. Knows nothing about what the answers mean."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.kinds.calling import Calling
from roundhouse.backends.openai.connection import Terms, read, unreachable
from roundhouse.backends.openai.posting import UnreachableError
from roundhouse.core.errors import BackendError, LimitError, NotFoundError, RoundhouseError, SchemaError

_T = TypeVar("_T")
_OVERFLOW = re.compile(
    r"context (length|window|size)|exceeds? .{0,40}context|input (is )?too (long|large)", re.IGNORECASE
)
_SHORT_S = 10.0
#: How long to leave it alone when its queue is full and it does not say.
_BUSY_S = 1.0


class Calls(Calling):
    """The way to one Ollama."""

    who = "Ollama"

    def __init__(self, name: str, url: str, api_key: str | None = None, terms: Terms | None = None) -> None:
        # Whoever configured it as an OpenAI address means the same server.
        base = url.rstrip("/").removesuffix("/v1").removesuffix("/api")
        super().__init__(name, base, () if api_key is None else (api_key,), terms or Terms())
        #: How often there was nobody.
        self.losses = 0
        self._prefix = self._root.raw_path.rstrip("/")

    async def get(self, path: str, shape: type[_T]) -> _T:
        """What *path* answers. Raises RoundhouseError."""
        return self.decoded(await self.fetch(self._url(path)), shape)

    async def post(self, path: str, body: object, shape: type[_T], timeout_s: float = _SHORT_S) -> _T:
        """What *path* answers to a small question. Raises RoundhouseError."""
        return self.decoded(await self.whole(path, msgspec.json.encode(body), timeout_s), shape)

    async def whole(self, path: str, body: bytes, timeout_s: float) -> bytes:
        """The bytes that *path* answers. Raises RoundhouseError."""
        return await self.send((self._prefix + path).encode(), body, timeout_s)

    async def delete(self, path: str, body: object) -> None:
        """Have something deleted. Raises RoundhouseError."""
        try:
            async with await self._ways[0].delete(self._url(path), msgspec.json.encode(body)) as response:
                await read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    def stream(
        self, path: str, body: bytes, timeout_s: float, enough: Callable[[], bool], idle_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed answer until there are *enough*. Raises RoundhouseError, on iteration."""
        return self.pieces(self._url(path), body, timeout_s, enough, idle_s)

    def _meant(self, error: RoundhouseError) -> RoundhouseError:
        if isinstance(error, UnreachableError):
            self.losses += 1
        if "maximum pending requests" in error.message or "server busy" in error.message:
            return LimitError(error.message, retry_after_s=error.retry_after_s or _BUSY_S, details=error.details)
        if isinstance(error, BackendError) and is_overflow(error):
            # Some versions say with a 500 that a prompt is too long.
            return SchemaError(error.message, hint="ask for less", details=error.details)
        if "requires a newer version" in error.message:
            error.hint = "update Ollama"
        return error

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        # Its streams are lines of JSON, whatever they are called.
        if response.status != HTTPStatus.OK:
            await read(response)

    def _url(self, path: str) -> URL:
        return URL(self.url + path, encoded=True)


def is_overflow(error: RoundhouseError) -> bool:
    """Whether it says that a prompt does not fit the context."""
    return _OVERFLOW.search(error.message) is not None


def missing(error: RoundhouseError, upstream: str) -> RoundhouseError:
    """The same error; that a model is not there, where somebody named just that one, is not the backend's failure."""
    if error.details.get("status") != HTTPStatus.NOT_FOUND:
        return error
    return NotFoundError(error.message, hint=f"pull {upstream} first", details=error.details)
