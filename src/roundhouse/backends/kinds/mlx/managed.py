"""MLX as Roundhouse runs it: one mlx_lm.server for each loaded model. Knows nothing about where models come from.

A request may not say which draft model or which adapter is used: mlx_lm.server would drop its model and load another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from roundhouse.backends.children.resident import Lease, Loaded, Resident, State
from roundhouse.backends.children.residents import HouseRules, Residents
from roundhouse.backends.children.visits import Visits
from roundhouse.backends.kinds.mlx.budget import Share
from roundhouse.backends.kinds.mlx.serving import OWN_MODEL, RUNTIME, Place, start
from roundhouse.backends.kinds.mlx.shelf import Shelf
from roundhouse.core.errors import BackendError, NotFoundError, RoundhouseError, SchemaError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event, Events, ResidencyChanged
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, InferenceRequest, Price, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, ModelFolder

_FREE = Price(0.0, 0.0)
#: What it says to everybody once the thread that computes is gone, although the process lives on.
_LAME = "generation thread died"
#: What our part of it says of a prompt that fills the context; with 404, as it says everything.
_TOO_LONG = "the prompt is too long"
_OWN_NAME = f'"model": "{OWN_MODEL}"'.encode()
_GIB = 1 << 30


class _Choices(msgspec.Struct):
    draft_model: object = None
    adapters: object = None


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
        self._residents = Residents(house.rules, self._meet, self._tell)
        self._visits = Visits(name, self._residents, _meaning)
        events.subscribe(self._library_changed)
        self._preload = house.preload

    async def deployments(self) -> Sequence[Deployment]:
        """Every model of the library that is one of MLX, or the one that is configured."""
        if self._preload and (models := self._shelf.models()):
            self._preload = False
            for model in models:
                self._residents.preload(model.name)
        shares = await self._shelf.shares()
        return [self._deployment(model, share, await self._shelf.abilities(model)) for model, share in shares]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, after loading the model if need be. Raises what the port says."""
        name = self._check(request, deployment)
        answer = await self._visits.answer(name, request, replace(deployment, upstream=OWN_MODEL))
        return replace(answer, data=_under_its_name(answer.data, name))

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece, after loading the model if need be. Raises what the port says."""
        name = self._check(request, deployment)
        async with aclosing(self._visits.stream(name, request, replace(deployment, upstream=OWN_MODEL))) as chunks:
            async for chunk in chunks:
                yield replace(chunk, data=_under_its_name(chunk.data, name))

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:  # noqa: ARG002 - both are the configuration's to say
        """Start its child, once, however many ask; seconds it took. Raises NotFoundError, CapacityError."""
        self._require(upstream)
        resident = self._residents.enter(upstream)
        try:
            if resident.state is State.READY:
                return 0.0
            await self._residents.ready(resident)
            return resident.load_s or 0.0
        finally:
            self._residents.leave(resident, served=False)

    async def unload(self, upstream: str) -> None:
        """End its child, at once or when its last reply is through. Raises NotFoundError."""
        self._require(upstream)
        await self._residents.retire(upstream)

    async def health(self) -> BackendHealth:
        """How full the memory is; the children are watched while they serve."""
        used, memory = self._residents.memory_used() / _GIB, self._shelf.memory / _GIB
        loaded, known = len(self._residents.names_loaded()), len(self._shelf.models())
        detail = f"{RUNTIME}; loaded: {loaded} of {known}, {used:.1f} of {memory:.1f} GiB"
        return BackendHealth(ok=True, detail=detail, latency_ms=0.0)

    def in_use(self) -> Sequence[str]:
        """Names of the models whose files are read now, or will be in a moment."""
        return self._residents.names_in_use()

    async def close(self) -> None:
        """Stop all children."""
        await self._residents.close()

    def _check(self, request: InferenceRequest, deployment: Deployment) -> str:
        """The model that is asked for. Raises BackendError, SchemaError."""
        try:
            choices = msgspec.json.decode(request.body, type=_Choices)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"{self.name}: the request is no JSON object"
            raise SchemaError(message) from error
        if choices.draft_model is not None or choices.adapters is not None:
            message = f"{self.name}: a request cannot choose the draft model or adapters"
            raise SchemaError(message, hint="configure `draft_model` for the backend")
        return self._shelf.find(deployment.upstream).name

    def _require(self, name: str) -> None:
        """Raise NotFoundError when it is not served: of one request that is this backend's failure."""
        try:
            self._shelf.find(name)
        except BackendError as error:
            raise NotFoundError(error.message, hint=error.hint) from error

    def _meet(self, name: str) -> Resident:
        return Resident(name, partial(self._lease, name))

    async def _lease(self, name: str) -> Lease:
        model = self._shelf.find(name)
        share = await self._shelf.share(model)

        async def begin() -> Loaded:
            await asyncio.to_thread(self._place.folder.mkdir, parents=True, exist_ok=True)
            return await start(name, model.path, self._shelf.draft(), share, self._place)

        return Lease(share.total, share.context, begin)

    def _deployment(
        self, model: ModelFolder, share: Share | RoundhouseError, abilities: frozenset[Capability]
    ) -> Deployment:
        resident = self._residents.known(model.name)
        is_loaded = resident is not None and resident.state is State.READY
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
                load_s=resident.load_s if resident is not None else None,
                warnings=(share.message,) if isinstance(share, RoundhouseError) else (),
            ),
        )

    def _tell(self, model: str, loaded: bool) -> None:  # noqa: FBT001 - the event's own field
        self._events.publish(ResidencyChanged(self.name, model, loaded=loaded))

    def _library_changed(self, event: Event) -> None:
        if isinstance(event, ArtifactAdded | ArtifactRemoved):
            self._shelf.forget(event.model)
            self._residents.outdate(event.model)


async def _meaning(error: RoundhouseError, loaded: Loaded) -> RoundhouseError | None:
    """What an error is about, unless the child may have died of it: one that is well only says what is so."""
    if _TOO_LONG in error.message:
        return SchemaError(error.message, hint="ask for less, or choose a model with a larger context")
    if _LAME in error.message:
        loaded.child.kill()
    elif isinstance(error, BackendError) and (await loaded.client.health()).ok:
        return error
    return None


def _under_its_name(data: bytes, name: str) -> bytes:
    """The same answer, as from the model that was asked for; nothing that a model says comes before that field."""
    return data.replace(_OWN_NAME, b'"model": ' + msgspec.json.encode(name), 1)
