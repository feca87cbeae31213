"""What kinds share that speak OpenAI's dialect and tell more beside it. Knows nothing about what they tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.checks import check
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import read, unreachable
from roundhouse.backends.openai.keys import warning_of
from roundhouse.backends.wire.failures import excerpt
from roundhouse.backends.wire.mending import read_mended
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.ports import BackendHealth

_T = TypeVar("_T")


class Asking(OpenAICompatible):
    """OpenAI's dialect, and further questions at the same address."""

    async def ask(self, path: str, shape: type[_T]) -> _T:
        """What *path* answers. Raises RoundhouseError."""
        data = await self._get(path)
        try:
            return read_mended(data, shape)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"{path} answers something else ({error}): {excerpt(data)}"
            raise self._named(BackendError(message)) from error

    async def well(self, path: str, detail: Callable[[bytes], str]) -> BackendHealth:
        """Whether *path* answers, in the words of *detail*."""

        async def say() -> str:
            try:
                return detail(await self._get(path))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._named(BackendError(f"{path} answers something else")) from error

        return await check(say, lambda: warning_of(self._connection))

    async def _get(self, path: str) -> bytes:
        try:
            url = URL(self.url.removesuffix("/v1") + path, encoded=True)
            async with await self._connection.get(url) as response:
                return await read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__
