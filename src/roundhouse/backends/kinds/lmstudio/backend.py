"""LM Studio as a backend: told truthfully by its native API, each model loaded once however many ask for it.

Knows nothing about when to try another backend. Replies come through ``/v1``, which all its versions have.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.kinds.lmstudio.facts import Known, ListV0, ListV1, known_v0, known_v1
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms, read, unreachable
from roundhouse.backends.openai.keys import warning_of
from roundhouse.backends.wire.figures import seconds
from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    ConflictError,
    DeadlineError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
)
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, InferenceRequest, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, Traits, Wish, Workshop

DEFAULT_URL = "http://127.0.0.1:1234"
_LOAD_S, _UNLOAD_S = 600.0, 60.0
_T = TypeVar("_T")


class _Loaded(msgspec.Struct):
    instance_id: str
    load_time_seconds: float | None = None


class LMStudio(OpenAICompatible):
    """One LM Studio."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD})

    @classmethod
    def made(cls, wish: Wish, _workshop: Workshop) -> Self:
        """Make one as it was configured; without an address, the one of this machine."""
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s)
        return cls(wish.name, _root(wish.url or DEFAULT_URL), api_key=wish.keys, models=wish.models, terms=terms)

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str | Sequence[str] | None = None,
        models: Sequence[str] = (),
        terms: Terms | None = None,
    ) -> None:
        super().__init__(name, url, api_key=api_key, models=models, terms=terms)
        root = _root(url)
        self._root, self._prefix = root, URL(root).raw_path.rstrip("/")
        #: Of its native API; ``None`` when it has none, or was not asked yet.
        self._version: int | None = None
        #: What is in memory, by model.
        self._instances: dict[str, tuple[str, ...]] = {}
        self._loads: dict[str, asyncio.Task[float]] = {}
        self._load_s: dict[str, float] = {}
        self._embedders: set[str] = set()
        self._busy: Counter[str] = Counter()

    async def deployments(self) -> Sequence[Deployment]:
        """What is downloaded there, loaded or not. Raises NetworkError."""
        known = await self._known()
        if known is None:
            return await super().deployments()
        mine = {model.key: model for model in known}
        self._instances = {model.key: model.instances for model in known if model.instances}
        keys = self._models or tuple(mine)
        return [self._told(mine[key]) for key in keys if key in mine]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, from a model that is loaded first if it must be. Raises what the port says."""
        ready = await self._ready(request, deployment)
        self._busy[deployment.upstream] += 1
        try:
            return await super().answer(request, ready)
        except BackendError:
            self._instances.pop(deployment.upstream, None)
            raise
        finally:
            self._busy[deployment.upstream] -= 1

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        ready = await self._ready(request, deployment)
        self._busy[deployment.upstream] += 1
        try:
            async with aclosing(super().stream(request, ready)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BackendError:
            self._instances.pop(deployment.upstream, None)
            raise
        finally:
            self._busy[deployment.upstream] -= 1

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory once, however many ask; seconds it took. Raises NotFoundError, CapacityError.

        How long it stays is LM Studio's own setting, but for versions that load by being asked.
        """
        found = await self._find(upstream)
        if found is not None and found.instances:
            self._instances[upstream] = found.instances
            if context is None or (found.context or 0) >= context:
                return 0.0
            await self._make_way(upstream)
        return await self._load_once(upstream, context, keep_s)

    async def unload(self, upstream: str) -> None:
        """Let go of all its copies. Raises NotFoundError, ConflictError, BackendError."""
        found = await self._find(upstream)
        if self._version != 1:
            raise self._named(BackendError("this version cannot unload when asked", hint="update LM Studio to 0.4"))
        if self._busy[upstream]:  # LM Studio itself would cut what it says
            message = f"{self.name}: {upstream} is in use"
            raise ConflictError(message, hint="try again when its requests are answered")
        for instance in found.instances if found else ():
            await self._post("/api/v1/models/unload", {"instance_id": instance}, _UNLOAD_S)
        self._instances.pop(upstream, None)

    async def health(self) -> BackendHealth:
        """Whether it lists its models."""
        started = asyncio.get_running_loop().time()
        try:
            known = await self._known()
        except RoundhouseError as error:
            return BackendHealth(ok=False, detail=error.message)
        if known is None:
            return await super().health()
        loaded = sum(model.residency is Residency.LOADED for model in known)
        latency_ms = (asyncio.get_running_loop().time() - started) * 1e3
        detail = f"LM Studio, API v{self._version}; loaded: {loaded} of {len(known)}"
        return BackendHealth(ok=True, detail=detail, latency_ms=latency_ms, warning=warning_of(self._connection))

    async def close(self) -> None:
        """Let go of all connections, and of loads that nobody waits for any more."""
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        await super().close()

    async def _ready(self, request: InferenceRequest, deployment: Deployment) -> Deployment:
        """The same deployment, in memory, by the name of its copy there."""
        upstream = deployment.upstream
        if upstream not in self._instances:
            if deployment.capabilities == {Capability.EMBEDDING}:
                self._embedders.add(upstream)
            try:
                async with asyncio.timeout(request.timeout_s):
                    await self._load_once(upstream, None, None)
            except NotFoundError as error:  # another backend may have it
                raise BackendError(error.message, hint=error.hint, details=error.details) from error
            except TimeoutError as error:
                message = f"{upstream} was not loaded within {request.timeout_s:g} s"
                raise self._named(DeadlineError(message, hint="load it before, or allow more time")) from error
        instance = self._instances.get(upstream, (upstream,))[0]
        return deployment if instance == upstream else replace(deployment, upstream=instance)

    async def _load_once(self, upstream: str, context: int | None, keep_s: float | None) -> float:
        """Join the load that is under way, or begin one; who stops waiting does not stop it."""
        load = self._loads.get(upstream)
        if load is None:
            load = asyncio.create_task(self._load(upstream, context, keep_s))
            self._loads[upstream] = load
            load.add_done_callback(lambda done: self._loaded(upstream, done))
        return await asyncio.shield(load)

    def _loaded(self, upstream: str, load: asyncio.Task[float]) -> None:
        self._loads.pop(upstream, None)
        if not load.cancelled() and load.exception() is None:
            self._load_s[upstream] = load.result() or self._load_s.get(upstream, 0.0)

    async def _load(self, upstream: str, context: int | None, keep_s: float | None) -> float:
        found = await self._find(upstream)
        if found is not None and found.instances and context is None:
            self._instances[upstream] = found.instances
            return 0.0
        started = asyncio.get_running_loop().time()
        if self._version == 1:
            wish = {"model": upstream} | ({} if context is None else {"context_length": context})
            loaded = _decoded(await self._post("/api/v1/models/load", wish, _LOAD_S), _Loaded)
            if loaded is None:
                raise self._named(BackendError(f"it does not say that it loaded {upstream}"))
            self._instances[upstream] = (loaded.instance_id,)
            return seconds(loaded.load_time_seconds) or asyncio.get_running_loop().time() - started
        await self._wake(upstream, keep_s)
        self._instances[upstream] = (upstream,)
        return asyncio.get_running_loop().time() - started

    async def _wake(self, upstream: str, keep_s: float | None) -> None:
        """Have it load by asking for next to nothing, which is the only way before 0.4."""
        stay = {} if keep_s is None else {"ttl": max(1, round(keep_s))}
        if upstream in self._embedders:
            await self._post("/v1/embeddings", {"model": upstream, "input": ".", **stay}, _LOAD_S)
            return
        messages = [{"role": "user", "content": "."}]
        await self._post(
            "/v1/chat/completions", {"model": upstream, "messages": messages, "max_tokens": 1, **stay}, _LOAD_S
        )

    async def _make_way(self, upstream: str) -> None:
        """Unload what has too small a context, unless it is answering."""
        if self._busy[upstream]:
            message = f"{upstream} is answering, and would have to be loaded again for that context"
            raise self._named(CapacityError(message, hint="ask again when it is done"))
        await self.unload(upstream)

    async def _find(self, upstream: str) -> Known | None:
        """What is told of one model; ``None`` when there is no native API. Raises NotFoundError."""
        known = await self._known()
        if known is None:
            return None
        for model in known:
            if model.key == upstream:
                return model
        message = f"{self.name} has no model {upstream}"
        raise NotFoundError(message, hint="download it in LM Studio first", details={"backend": self.name})

    async def _known(self) -> list[Known] | None:
        """What the newest native API says that it has; ``None`` when it has none. Raises NetworkError."""
        newest = _decoded(await self._get("/api/v1/models"), ListV1) if self._version != 0 else None
        if newest is not None:
            return self._noted(1, known_v1(newest))
        older = _decoded(await self._get("/api/v0/models"), ListV0)
        if older is not None:
            return self._noted(0, known_v0(older))
        self._version, self.features = None, frozenset({Feature.LOAD})
        return None

    def _noted(self, version: int, known: list[Known]) -> list[Known]:
        self._version = version
        self.features = frozenset({Feature.LOAD, Feature.UNLOAD} if version == 1 else {Feature.LOAD})
        self._embedders = {model.key for model in known if model.capabilities == {Capability.EMBEDDING}}
        return known

    def _told(self, model: Known) -> Deployment:
        load_s = self._load_s.get(model.key)
        traits: Traits = model.traits if load_s is None else replace(model.traits, load_s=load_s)
        return Deployment(
            backend=self.name,
            model=model.key,
            upstream=model.key,
            capabilities=model.capabilities,
            context=model.context,
            residency=model.residency,
            local=self._local,
            traits=traits,
        )

    async def _get(self, path: str) -> bytes:
        """What *path* answers; nothing when it says that there is no such path. Raises NetworkError."""
        try:
            async with await self._connection.get(URL(self._root + path, encoded=True)) as response:
                return await read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._named(unreachable(error)) from error
        except NetworkError as error:
            raise self._named(error) from error.__cause__
        except RoundhouseError as error:
            if error.details.get("status") in {404, 405, 501}:
                return b""
            raise self._named(error) from error.__cause__

    async def _post(self, path: str, body: object, timeout_s: float) -> bytes:
        try:
            return await self._connection.whole(
                (self._prefix + path).encode("ascii"), msgspec.json.encode(body), timeout_s
            )
        except RoundhouseError as error:
            if "memory" in error.message or "resource" in error.message:
                error = CapacityError(error.message, hint="unload another model first", details=error.details)
            raise self._named(error) from error.__cause__


def _root(url: str) -> str:
    """The address without a version, which whoever configured it as OpenAI's dialect wrote behind it."""
    return url.rstrip("/").removesuffix("/v1")


def _decoded(data: bytes, shape: type[_T]) -> _T | None:
    """The answer if it is that: an unknown path is answered with 200 and an error by LM Studio."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
