"""MLX as Roundhouse runs it: one mlx_lm.server for each loaded model. Knows nothing about where models come from.

A request may not say which draft model or which adapter is used: mlx_lm.server would drop its model and load another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec

from roundhouse.backends.children.generation import Generation, Lease, Loaded, State
from roundhouse.backends.children.generations import Generations, HouseRules
from roundhouse.backends.kinds.mlx.budget import Share
from roundhouse.backends.kinds.mlx.serving import OWN_MODEL, RUNTIME, Place, start
from roundhouse.backends.kinds.mlx.shelf import Shelf
from roundhouse.backends.openai.posting import UnreachableError
from roundhouse.core.errors import (
    BackendError,
    DeadlineError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event, Events, ResidencyChanged
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, InferenceRequest, Price, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, ModelFolder

_FREE = Price(0.0, 0.0)
#: How long a child whose connection broke gets to be found dead.
_AUTOPSY_S = 1.0
#: What it says to everybody once the thread that computes is gone, although the process lives on.
_LAME = "generation thread died"
#: What our part of it says of a prompt that fills the context; with 404, as it says everything.
_TOO_LONG = "the prompt is too long"
_OWN_NAME = f'"model": "{OWN_MODEL}"'.encode()
_GIB = 1 << 30


class _Choices(msgspec.Struct):
    draft_model: object = None
    adapters: object = None


class _DiedBeforeError(BackendError):
    """The child was gone before anything was sent to it: this request had no part in that, and may try another."""


@dataclass(frozen=True, slots=True)
class House:
    """Where the children live, and by which rules."""

    place: Place
    rules: HouseRules
    #: Whether what is served is loaded before anybody asks.
    preload: bool = False


class ManagedMLX:
    """Models of MLX, loaded when they are asked for."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD})

    def __init__(self, name: str, shelf: Shelf, house: House, events: Events) -> None:
        self.name = name
        self._shelf, self._place, self._events = shelf, house.place, events
        self._generations = Generations(house.rules, self._lease, self._tell)
        events.subscribe(self._library_changed)
        self._preload = house.preload
        self._tasks: set[asyncio.Task[object]] = set()

    async def deployments(self) -> Sequence[Deployment]:
        """Every model of the library that is one of MLX, or the one that is configured."""
        if self._preload and (models := self._shelf.models()):
            self._preload = False
            for model in models:
                self._spawn(self.load(model.name))
        shares = await self._shelf.shares()
        return [self._deployment(model, share, await self._shelf.abilities(model)) for model, share in shares]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, after loading the model if need be. Raises what the port says."""
        self._check(request)
        generation = self._enter(deployment.upstream)
        served = False
        try:
            try:
                answer = await self._once(generation, request, deployment)
            except _DiedBeforeError:
                answer = await self._once(generation, request, deployment)
            served = True
        finally:
            self._generations.leave(generation, served=served)
        return answer

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece, after loading the model if need be. Raises what the port says."""
        self._check(request)
        generation = self._enter(deployment.upstream)
        served = False
        try:
            for is_last in (False, True):
                try:
                    async with aclosing(self._stream_once(generation, request, deployment)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                            served = served or chunk.final
                except _DiedBeforeError:
                    if is_last:
                        raise
                else:
                    return
        finally:
            self._generations.leave(generation, served=served)

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:  # noqa: ARG002 - both are the configuration's to say
        """Start its child, once, however many ask; seconds it took. Raises NotFoundError, CapacityError."""
        self._find(upstream)
        generation = self._enter(upstream)
        try:
            if generation.state is State.READY:
                return 0.0
            await self._generations.ready(generation)
            return generation.load_s or 0.0
        finally:
            self._generations.leave(generation, served=False)

    async def unload(self, upstream: str) -> None:
        """End its child, at once or when its last reply is through. Raises NotFoundError."""
        self._find(upstream)
        await self._generations.outdate(upstream)

    async def health(self) -> BackendHealth:
        """How full the memory is; the children are watched while they serve."""
        used, memory = self._generations.memory_used() / _GIB, self._shelf.memory / _GIB
        loaded, known = len(self._generations.names_loaded()), len(self._shelf.models())
        detail = f"{RUNTIME}; loaded: {loaded} of {known}, {used:.1f} of {memory:.1f} GiB"
        return BackendHealth(ok=True, detail=detail, latency_ms=0.0)

    def in_use(self) -> Sequence[str]:
        """Names of the models whose files are read now, or will be in a moment."""
        return self._generations.names_in_use()

    async def close(self) -> None:
        """Stop all children."""
        await self._generations.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check(self, request: InferenceRequest) -> None:
        try:
            choices = msgspec.json.decode(request.body, type=_Choices)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"{self.name}: the request is no JSON object"
            raise SchemaError(message) from error
        if choices.draft_model is not None or choices.adapters is not None:
            message = f"{self.name}: a request cannot choose the draft model or adapters"
            raise SchemaError(message, hint="configure `draft_model` for the backend")

    def _enter(self, name: str) -> Generation:
        self._shelf.find(name)
        return self._generations.enter(name)

    def _find(self, name: str) -> ModelFolder:
        try:
            return self._shelf.find(name)
        except BackendError as error:
            raise NotFoundError(error.message, hint=error.hint) from error

    async def _lease(self, name: str) -> Lease:
        model = self._shelf.find(name)
        share = await self._shelf.share(model)

        async def begin() -> Loaded:
            await asyncio.to_thread(self._place.folder.mkdir, parents=True, exist_ok=True)
            return await start(name, model.path, self._shelf.draft(), share, self._place)

        return Lease(share.total, begin)

    async def _once(self, generation: Generation, request: InferenceRequest, deployment: Deployment) -> Answer:
        loaded = await self._loaded(generation, request.timeout_s)
        try:
            answer = await loaded.client.answer(request, replace(deployment, upstream=OWN_MODEL))
            return replace(answer, data=_under_its_name(answer.data, generation.name))
        except (NetworkError, BackendError) as error:
            raise await self._autopsy(error, loaded, generation) from error

    async def _stream_once(
        self, generation: Generation, request: InferenceRequest, deployment: Deployment
    ) -> AsyncGenerator[Chunk, None]:
        loaded = await self._loaded(generation, request.timeout_s)
        try:
            async with aclosing(loaded.client.stream(request, replace(deployment, upstream=OWN_MODEL))) as chunks:
                async for chunk in chunks:
                    yield replace(chunk, data=_under_its_name(chunk.data, generation.name))
        except (NetworkError, BackendError) as error:
            raise await self._autopsy(error, loaded, generation) from error

    async def _loaded(self, generation: Generation, timeout_s: float) -> Loaded:
        """Its child and the way to it, started if need be."""
        if generation.state is State.READY and generation.loaded is not None:
            return generation.loaded
        try:
            async with asyncio.timeout(timeout_s):
                return await self._generations.ready(generation)
        except TimeoutError as error:
            message = f"{self.name}: {generation.name} was not loaded within {timeout_s:g} s"
            raise DeadlineError(message, hint="it goes on loading; ask again") from error

    async def _autopsy(self, error: RoundhouseError, loaded: Loaded, generation: Generation) -> RoundhouseError:
        """What an answer that broke off means: that the child crashed, unless it is well."""
        child = loaded.child
        if _TOO_LONG in error.message:
            return SchemaError(error.message, hint="ask for less, or choose a model with a larger context")
        if _LAME in error.message:
            child.kill()
        elif isinstance(error, BackendError) and (await loaded.client.health()).ok:
            return error
        try:
            async with asyncio.timeout(_AUTOPSY_S):
                await asyncio.shield(child.exited)
        except TimeoutError:
            return error
        message = f"{self.name}: {RUNTIME} was {child.ending} while it served {generation.name}"
        kind = _DiedBeforeError if isinstance(error, UnreachableError) else BackendError
        return kind(message, hint="the next request starts it again", details={"ending": child.ending})

    def _deployment(
        self, model: ModelFolder, share: Share | RoundhouseError, abilities: frozenset[Capability]
    ) -> Deployment:
        generation = self._generations.known(model.name)
        is_loaded = generation is not None and generation.state is State.READY
        given = share if isinstance(share, Share) else None
        return Deployment(
            backend=self.name,
            model=model.name,
            upstream=model.name,
            capabilities=abilities,
            context=given.context if given else model.context,
            price=_FREE,
            residency=Residency.LOADED if is_loaded else Residency.COLD,
            local=True,
            barred=model.barred,
            traits=replace(
                model.traits,
                # More would wait inside the child, where a crash takes all of them.
                slots=given.slots if given else None,
                memory=given.total if given else None,
                load_s=generation.load_s if generation is not None else None,
                warnings=(share.message,) if isinstance(share, RoundhouseError) else (),
            ),
        )

    def _tell(self, model: str, loaded: bool) -> None:  # noqa: FBT001 - the event's own field
        self._events.publish(ResidencyChanged(self.name, model, loaded=loaded))

    def _library_changed(self, event: Event) -> None:
        if not isinstance(event, ArtifactAdded | ArtifactRemoved):
            return
        self._shelf.forget(event.model)
        if self._generations.known(event.model) is not None:
            self._spawn(self._generations.outdate(event.model))

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        """Forget *task*; whoever asks for the model meets the same error."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


def _under_its_name(data: bytes, name: str) -> bytes:
    """The same answer, as from the model that was asked for; nothing that a model says comes before that field."""
    return data.replace(_OWN_NAME, b'"model": ' + msgspec.json.encode(name), 1)
