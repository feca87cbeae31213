"""llama-server as a backend: its context, slots and abilities as it tells them, and the models of a router loaded once.

Knows nothing about when to try another backend. Connections are not kept: it holds a thread for each.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from typing import Self
from urllib.parse import quote

import msgspec
from yarl import URL

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.kinds.llama_server.facts import Entry, Models, Modes, Props, Told
from roundhouse.backends.kinds.loads import InUse, Loads
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    ConfigError,
    DeadlineError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, Wish, Workshop

_LOAD_S, _UNLOAD_S, _ASK_S = 600.0, 60.0, 5.0
#: Models of a router that are asked about at a time: it holds a thread for each question.
_AT_A_TIME = 4
#: The first and the longest wait between two looks at a load.
_LOOK_S, _LOOK_MAX_S = 0.05, 1.0
#: When it loads its one model and does not say for how long.
_LOADING_S = 2.0
#: What it says with a 500 although the request is wrong.
_UNFIT = re.compile(r"too large to process|(image|audio|video) input is not supported")
_RUNNING = ("loaded", "sleeping")
_ROUTING = frozenset({Feature.LOAD, Feature.UNLOAD})


class LlamaServer(Asking):
    """One llama-server."""

    @classmethod
    def made(cls, wish: Wish, _workshop: Workshop) -> Self:
        """Make one as it was configured. Raises ConfigError."""
        if wish.url is None:
            message = f"backends.{wish.name} needs a url"
            raise ConfigError(message, hint='that of a llama-server on this machine is often "http://127.0.0.1:8080"')
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s, keep_alive=False)
        return cls(wish.name, wish.url, api_key=wish.keys, models=wish.models, terms=terms)

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str | Sequence[str] | None = None,
        models: Sequence[str] = (),
        terms: Terms | None = None,
    ) -> None:
        super().__init__(name, url, api_key=api_key, models=models, terms=terms or Terms(keep_alive=False))
        self._prefix = URL(self.url.removesuffix("/v1")).raw_path.rstrip("/")
        self._build = ""
        self._is_router = self._holds_one = False
        #: Those that a router has in memory, as far as we know.
        self._running: set[str] = set()
        self._loads = Loads()
        self._in_use = InUse(name)
        #: By model: what it was like when its modes were found out, and those.
        self._modes: dict[str, tuple[object, Modes]] = {}

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, or as a router could serve, with what is told of it. Raises NetworkError."""
        try:
            told = await self._told()
        except RoundhouseError:
            self._modes.clear()
            return await super().deployments()
        if not self._models:
            return [each.deployment(self.name, None, local=self._local) for each in told]
        known = {name: each for each in told for name in (each.entry.id, *(each.entry.aliases or ()))}
        return [
            known.get(name, Told(Entry(name))).deployment(self.name, name, local=self._local) for name in self._models
        ]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, from a model that is loaded first if it must be. Raises what the port says."""
        await self._ready(request, deployment.upstream)
        try:
            with self._in_use.by_one(deployment.upstream):
                return await super().answer(request, deployment)
        except RoundhouseError as error:
            raise self._meant(error, deployment.upstream) from error.__cause__

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        await self._ready(request, deployment.upstream)
        try:
            with self._in_use.by_one(deployment.upstream):
                async with aclosing(super().stream(request, deployment)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except RoundhouseError as error:
            raise self._meant(error, deployment.upstream) from error.__cause__

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:  # noqa: ARG002 - the router has no such wish
        """Have a router load it once, however many ask; seconds it took. Raises NotFoundError, CapacityError.

        How large its context is and how long it stays is said where the router is started.
        """
        took_s = await self._loads.join(upstream, lambda: self._load(upstream))
        props = await self._props_if_any(upstream) if context is not None else None
        served = props.context if props else None
        if context is not None and served is not None and served < context:
            message = f"{upstream} is loaded with a context of {served} tokens"
            raise self._named(CapacityError(message, hint="its context is set where llama-server is started"))
        return took_s

    async def unload(self, upstream: str) -> None:
        """Have a router let go of it, and wait until it has. Raises NotFoundError, ConflictError, BackendError."""
        if (await self._find(upstream)).value == "unloaded":
            return
        self._in_use.check(upstream)
        await self._order("/models/unload", upstream)
        self._running.discard(upstream)
        await self._until(upstream, lambda entry: entry.value == "unloaded", _UNLOAD_S)

    async def health(self) -> BackendHealth:
        """Whether it answers and has loaded its model, which costs no slot."""
        said = " ".join(filter(None, ["llama-server", "router" if self._is_router else "", self._build]))
        return await self.well("/health", lambda _data: said)

    async def close(self) -> None:
        """Let go of all connections, and of loads that nobody waits for any more."""
        await self._loads.close()
        await super().close()

    async def _told(self) -> list[Told]:
        """What is told of all its models. Raises NetworkError."""
        listed, props = await self._list(), await self._props_if_any(None)
        if props is not None:
            self._is_router, self._holds_one = props.is_router, props.is_alone
        self.features = _ROUTING if self._is_router else frozenset()
        self._build = (props.build_info if props else None) or self._build
        if not self._is_router:
            return [await self._one(entry, props, "") for entry in listed]
        self._running = {entry.id for entry in listed if entry.value in _RUNNING}
        here = [entry for entry in listed if entry.value != "downloading"]
        asking = asyncio.Semaphore(_AT_A_TIME)
        told = await asyncio.gather(*[self._of_router(entry, asking) for entry in here])
        return [replace(each, alone=self._holds_one) for each in told]

    async def _of_router(self, entry: Entry, asking: asyncio.Semaphore) -> Told:
        if entry.value not in _RUNNING:
            return Told(entry, load_s=self._loads.took(entry.id))
        async with asking:
            return await self._one(entry, await self._props_if_any(entry.id), "?autoload=false")

    async def _one(self, entry: Entry, props: Props | None, query: str) -> Told:
        modes = Modes() if props is None else await self._modes_of(entry.id, props, query)
        return Told(entry, props, modes, self._loads.took(entry.id))

    async def _modes_of(self, model: str, props: Props, query: str) -> Modes:
        """What it was started for; asked once, and never of one that sleeps, which would wake it."""
        like = (props.build_info, props.model_path, props.total_slots, query)
        found = self._modes.get(model)
        if found is not None and (found[0] == like or props.is_sleeping):
            return found[1]
        if props.is_sleeping:
            return Modes()
        embeds, ranks = await asyncio.gather(
            self._does("/v1/embeddings", model, query), self._does("/v1/rerank", model, query)
        )
        self._modes[model] = (like, Modes(embeds, ranks))
        return self._modes[model][1]

    async def _does(self, path: str, model: str, query: str) -> bool:
        """Whether a request without anything to work on is refused for that, and not for what it asks."""
        try:
            await self._post(path + query, {"model": model}, _ASK_S)
        except SchemaError:
            return True
        except RoundhouseError:
            return False
        return False

    async def _ready(self, request: InferenceRequest, upstream: str) -> None:
        """Have a router load it, if it must."""
        if not self._is_router or upstream in self._running:
            return
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._loads.join(upstream, lambda: self._load(upstream))
        except NotFoundError as error:  # another backend may have it
            raise BackendError(error.message, hint=error.hint, details=error.details) from error
        except TimeoutError as error:
            message = f"{upstream} was not loaded within {request.timeout_s:g} s"
            raise self._named(DeadlineError(message, hint="load it before, or allow more time")) from error

    async def _load(self, upstream: str) -> float:
        entry = await self._find(upstream)
        if entry.value in _RUNNING:
            self._running.add(upstream)
            return 0.0
        started = asyncio.get_running_loop().time()
        if entry.value != "loading":  # else somebody else had it loaded, or the router itself
            await self._order("/models/load", upstream)
        entry = await self._until(upstream, lambda entry: entry.value != "loading", _LOAD_S)
        if entry.value not in _RUNNING:
            message = f"{upstream} could not be loaded: {entry.trouble or 'another model took its place'}"
            raise self._named(BackendError(message, hint="the log of llama-server says why"))
        self._running.add(upstream)
        return asyncio.get_running_loop().time() - started

    async def _until(self, upstream: str, holds: Callable[[Entry], bool], within_s: float) -> Entry:
        """Wait until what the router says of a model *holds*. Raises DeadlineError, NotFoundError."""
        look_s = _LOOK_S
        try:
            async with asyncio.timeout(within_s):
                while not holds(entry := await self._find(upstream)):
                    await asyncio.sleep(look_s)
                    look_s = min(2 * look_s, _LOOK_MAX_S)
                return entry
        except TimeoutError as error:
            message = f"{upstream} was not ready within {within_s:g} s"
            raise self._named(DeadlineError(message)) from error

    async def _find(self, upstream: str) -> Entry:
        """What the router says of one model. Raises NotFoundError."""
        for entry in await self._list():
            if upstream == entry.id or upstream in (entry.aliases or ()):
                return entry
        message = f"{self.name} has no model {upstream}"
        raise NotFoundError(message, hint="see which it lists", details={"backend": self.name})

    async def _order(self, path: str, upstream: str) -> None:
        """Have the router begin something; that somebody else was faster is no failure. Raises RoundhouseError."""
        try:
            await self._post(path, {"model": upstream}, _LOAD_S)
        except SchemaError as error:
            if "running" not in error.message:
                raise self._named(BackendError(error.message, details=error.details)) from error
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__

    async def _list(self) -> list[Entry]:
        return (await self.ask("/v1/models", Models)).data

    async def _props_if_any(self, model: str | None) -> Props | None:
        """What it tells of itself, or of a *model* in its memory; nothing while it loads."""
        query = "" if model is None else f"?model={quote(model, safe='')}&autoload=false"
        try:
            return await self.ask(f"/props{query}", Props)
        except RoundhouseError:
            return None

    async def _post(self, path: str, body: object, timeout_s: float) -> bytes:
        return await self._connection.whole((self._prefix + path).encode("ascii"), msgspec.json.encode(body), timeout_s)

    def _meant(self, error: RoundhouseError, upstream: str) -> RoundhouseError:
        """The same error as what it really is."""
        if isinstance(error, BackendError):
            self._running.discard(upstream)
        if error.details.get("status") == HTTPStatus.SERVICE_UNAVAILABLE and "oading" in error.message:
            # It is not overloaded, and its status would say so.
            details = {key: value for key, value in error.details.items() if key != "status"}
            return CapacityError(error.message, retry_after_s=error.retry_after_s or _LOADING_S, details=details)
        if isinstance(error, SchemaError) and "model is not loaded" in error.message:
            self._running.discard(upstream)
            return BackendError(error.message, details=error.details)
        if isinstance(error, BackendError) and _UNFIT.search(error.message):
            return SchemaError(error.message, details=error.details)
        return error
