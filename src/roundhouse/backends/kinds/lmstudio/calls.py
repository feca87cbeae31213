"""What is asked of LM Studio beside answers: what it has, and that it loads and lets go. Knows nothing about when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.kinds.lmstudio.facts import Known, ListV0, ListV1, known_v0, known_v1
from roundhouse.backends.kinds.lmstudio.saying import check_speaker
from roundhouse.backends.openai.connection import read, unreachable
from roundhouse.backends.openai.keys import Way
from roundhouse.backends.wire.figures import seconds, tokens
from roundhouse.backends.wire.mending import read_mended
from roundhouse.core.errors import BackendError, CapacityError, NetworkError, RoundhouseError

_LOAD_S, _UNLOAD_S = 600.0, 60.0
_NO_SUCH_PATH = frozenset({404, 405, 501})
_T = TypeVar("_T")


class _Config(msgspec.Struct):
    context_length: int | None = None


class _Loaded(msgspec.Struct):
    instance_id: str
    load_time_seconds: float | None = None
    load_config: _Config | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A copy that was loaded just now."""

    instance: str
    #: Tokens that it holds, and seconds that it took, if that was told.
    context: int | None = None
    seconds: float | None = None


class Calls:
    """The way to one LM Studio, past OpenAI's dialect."""

    def __init__(self, root: str, way: Way, named: Callable[[RoundhouseError], RoundhouseError]) -> None:
        self._root, self._prefix = root, URL(root).raw_path.rstrip("/")
        self._way, self.named = way, named
        #: Of its native API; ``None`` when it has none, or was not asked yet.
        self.version: int | None = None
        #: It could not be reached since somebody looked here last, or never was: it may have been started anew.
        self.was_away = True

    async def known(self) -> list[Known] | None:
        """What the newest native API says that it has; ``None`` when it has none. Raises NetworkError."""
        newest = _decoded(await self._get("/api/v1/models"), ListV1) if self.version != 0 else None
        if newest is not None:
            self.version = 1
            return known_v1(newest)
        older = _decoded(await self._get("/api/v0/models"), ListV0)
        self.version = None if older is None else 0
        return None if older is None else known_v0(older)

    async def load(self, model: str, context: int | None) -> Loaded:
        """Have one more copy of *model* loaded. Raises RoundhouseError."""
        wish = {"model": model, "echo_load_config": True} | ({} if context is None else {"context_length": context})
        loaded = _decoded(await self._post("/api/v1/models/load", wish, _LOAD_S), _Loaded)
        if loaded is None:
            raise self.named(BackendError(f"it does not say that it loaded {model}"))
        told = tokens(loaded.load_config.context_length) if loaded.load_config else None
        return Loaded(loaded.instance_id, told or context, seconds(loaded.load_time_seconds))

    async def wake(self, model: str, keep_s: float | None, *, embeds: bool) -> None:
        """Have it load by asking for next to nothing, which is the only way before 0.4. Raises RoundhouseError."""
        wish: dict[str, object] = {"model": model} | ({} if keep_s is None else {"ttl": max(1, round(keep_s))})
        if embeds:
            said = await self._post("/v1/embeddings", {**wish, "input": "."}, _LOAD_S)
        else:
            wish |= {"messages": [{"role": "user", "content": "."}], "max_tokens": 1}
            said = await self._post("/v1/chat/completions", wish, _LOAD_S)
        try:
            check_speaker(said, model)
        except BackendError as error:
            raise self.named(error) from None

    async def unload(self, instance: str) -> None:
        """Have one copy let go of. Raises RoundhouseError."""
        await self._post("/api/v1/models/unload", {"instance_id": instance}, _UNLOAD_S)

    async def _get(self, path: str) -> bytes:
        """What *path* answers; nothing when it says that there is no such path. Raises NetworkError."""
        try:
            async with await self._way.get(URL(self._root + path, encoded=True)) as response:
                return await read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.was_away = True
            raise self.named(unreachable(error)) from error
        except NetworkError as error:
            self.was_away = True
            raise self.named(error) from error.__cause__
        except RoundhouseError as error:
            if error.details.get("status") in _NO_SUCH_PATH:
                return b""
            raise self.named(error) from error.__cause__

    async def _post(self, path: str, body: object, timeout_s: float) -> bytes:
        try:
            return await self._way.whole((self._prefix + path).encode("ascii"), msgspec.json.encode(body), timeout_s)
        except RoundhouseError as error:
            if "memory" in error.message or "resource" in error.message:
                error = CapacityError(error.message, hint="unload another model first", details=error.details)
            raise self.named(error) from error.__cause__


def _decoded(data: bytes, shape: type[_T]) -> _T | None:
    """The answer if it is that: an unknown path is answered with 200 and an error by LM Studio."""
    try:
        return read_mended(data, shape)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
