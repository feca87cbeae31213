"""HTTP to Google's API: each call is one method, each failure an error of ours that says whose it is.

Knows nothing about what the answers mean. The key goes into a header and never into an address.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.kinds.gemini.failures import failure_in_stream, google_failure
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
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError, ConfigError, RoundhouseError

_T = TypeVar("_T")
#: Where Google itself is.
ADDRESS = "https://generativelanguage.googleapis.com"
#: Whoever configured its OpenAI dialect means the same server, and only this version has all that is asked for.
_VERSION = re.compile(r"/v1(?P<own>alpha|beta)?(?:/openai)?$")
_MOST_ADDRESSES = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where one model is asked."""

    whole: bytes
    stream: URL
    embed: bytes


class Calls:
    """The way to one such API, with one key or several."""

    def __init__(self, name: str, url: str = ADDRESS, keys: Sequence[str] = (), terms: Terms | None = None) -> None:
        self.name = name
        base = url.rstrip("/")
        if "?" in base or "#" in base:
            message = f"backends.{name}.url is more than an address"
            raise ConfigError(message, hint="a key belongs into api_key_env or api_key_file")
        version = _VERSION.search(base)
        self.url = base[: version.start()] if version else base
        self.local = is_loopback(self.url)
        self._api = f"{self.url}/v1{(version and version['own']) or 'beta'}"
        self._prefix = URL(self._api).raw_path
        self._keys = tuple(keys)
        self._terms = replace(terms or Terms(), key_header="x-goog-api-key", key_prefix="", read_failure=google_failure)
        ways = [Connection(URL(self.url), key, self._terms) for key in self._keys or (None,)]
        self._way: Way = ways[0] if len(ways) == 1 else KeyRing(ways, google_failure)
        self._places: dict[str, Place] = {}

    def place(self, upstream: str) -> Place:
        """Where *upstream* is asked; made once, because addresses are slow to take apart."""
        found = self._places.get(upstream)
        if found is None:
            if len(self._places) >= _MOST_ADDRESSES:
                self._places.clear()
            path = f"{self._prefix}/{quote(resource(upstream), safe='/')}"
            stream = URL(
                f"{self._api}/{quote(resource(upstream), safe='/')}:streamGenerateContent?alt=sse", encoded=True
            )
            found = Place(f"{path}:generateContent".encode(), stream, f"{path}:batchEmbedContents".encode())
            self._places[upstream] = found
        return found

    async def get(self, path: str, shape: type[_T]) -> _T:
        """What *path* below the version answers. Raises RoundhouseError."""
        try:
            async with await self._way.get(URL(f"{self._api}{path}", encoded=True)) as response:
                data = await read(response, google_failure)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"that is not what Google answers ({error}): {excerpt(data)}"
            raise self.named(BackendError(message)) from error

    async def whole(self, path: bytes, body: bytes, timeout_s: float) -> bytes:
        """The bytes that *path* answers. Raises RoundhouseError."""
        try:
            return await self._way.whole(path, body, timeout_s)
        except RoundhouseError as error:
            raise self.named(error) from error.__cause__

    async def stream(
        self, url: URL, body: bytes, timeout_s: float, enough: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed answer until there are *enough*. Raises RoundhouseError, on iteration."""
        begun, response = False, None
        try:
            response = await self._way.stream(url, body, timeout_s)
            if response.status != HTTPStatus.OK or response.content_type == "application/json":
                raise failure_in_stream(await read(response, google_failure))
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
        await self._way.close()

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


def resource(upstream: str) -> str:
    """The full name of a model: ``models/…``, or of one that somebody tuned, ``tunedModels/…``."""
    return upstream if "/" in upstream else f"models/{upstream}"
