"""The embedded runtime: llama.cpp, one child process per loaded model. Knows nothing about where models come from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import psutil

from roundhouse.backends.children.resident import Lease, Loaded, Resident
from roundhouse.backends.children.residents import Residents
from roundhouse.backends.children.visits import Visits
from roundhouse.backends.llamacpp import constraint
from roundhouse.backends.llamacpp.loadable import Fit, LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.loading import start
from roundhouse.backends.llamacpp.memory import AUTO_SHARE
from roundhouse.core.desks.placing import MemoryNeed
from roundhouse.core.errors import BackendError, NetworkError, NotFoundError, RoundhouseError, SchemaError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event, Events, ResidencyChanged
from roundhouse.core.inference import (
    Answer,
    Chunk,
    Deployment,
    InferenceRequest,
    Price,
    Residency,
)
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature

_FREE = Price(0.0, 0.0)
#: How llama.cpp refuses to embed a text that is longer than one batch, with a model that was made for chats.
_TOO_LONG = "too large to process"
_USE_AN_EMBEDDER = "a model that was made for embeddings reads as much as its context"


def auto_memory() -> int:
    """Bytes that models may take when nobody said how much."""
    return int(psutil.virtual_memory().total * AUTO_SHARE)


class LlamaCpp:
    """All models of the library, loaded when they are asked for."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD})

    def __init__(
        self,
        name: str,
        models: Callable[[], Sequence[LoadableModel]],
        *,
        limits: RuntimeLimits,
        events: Events,
        environ: Mapping[str, str],
    ) -> None:
        self.name = name
        self._models = models
        self._limits = limits
        self._events = events
        #: What was reckoned the last time, by what it depends on: there may be ten thousand models.
        self._fits: dict[tuple[object, ...], Fit] = {}
        self._environ = environ
        self._residents = Residents(limits, self._meet, self._tell)
        self._visits = Visits(name, self._residents, _meaning)
        events.subscribe(self._library_changed)

    async def deployments(self) -> Sequence[Deployment]:
        """Every model of the library. Those that are pinned begin to load, if they are not here."""
        loaded = set(self._residents.names_loaded())
        pinned = self._pinned()
        for model in pinned:
            self._residents.preload(model.name)
        before, taken = self._taken(pinned)
        fits: dict[tuple[object, ...], Fit] = {}
        deployments = []
        for model in self._models():
            place = before.get(model.name, taken)
            key = (model.size, model.context, model.shape, place)
            fits[key] = fit = self._fits.get(key) or self._limits.fit(model, place)
            deployments.append(self._deployment(model, fit, is_loaded=model.name in loaded))
        self._fits = fits
        return deployments

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, after loading the model if need be. Raises what the port says."""
        return await self._visits.answer(deployment.upstream, constraint.fitted(request), deployment)

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece, after loading the model if need be. Raises what the port says."""
        request = constraint.fitted(request)
        async with aclosing(self._visits.stream(deployment.upstream, request, deployment)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def health(self) -> BackendHealth:
        """Whether llama.cpp is installed, and how full it is."""
        try:
            runtime = await asyncio.to_thread(version, "xllamacpp")  # it reads files
        except PackageNotFoundError:
            return BackendHealth(ok=False, detail="xllamacpp is not installed")
        used, memory = self._residents.memory_used() / (1 << 30), self._limits.memory / (1 << 30)
        loaded = len(self._residents.names_loaded())
        detail = f"xllamacpp {runtime}; loaded: {loaded} of {len(self._models())}, {used:.1f} of {memory:.1f} GiB"
        return BackendHealth(ok=True, detail=detail, latency_ms=0.0)

    def loaded(self) -> Sequence[str]:
        """Names of the models whose weights are in memory."""
        return self._residents.names_loaded()

    def in_use(self) -> Sequence[str]:
        """Names of the models whose files are read now, or will be in a moment."""
        return self._residents.names_in_use()

    def need_of(self, name: str) -> MemoryNeed | None:
        """What *name* takes when it is loaded here; ``None`` when it is not in the library."""
        model = next((model for model in self._models() if model.name == name), None)
        if model is None:
            return None
        fit, limits = self._fit(model), self._limits
        need = fit.need
        return MemoryNeed(
            total=need.total,
            weights=need.weights,
            cache=need.cache,
            parallel=limits.parallel,
            context=fit.context,
            buffers=need.buffers,
            limit=limits.memory,
            from_header=need.from_header,
        )

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory; seconds it took. Raises NotFoundError, CapacityError, DeadlineError, SchemaError."""
        if context is not None or keep_s is not None:
            message = "the embedded llama.cpp has one context and one idle time for all models"
            raise SchemaError(message, hint="set `runtime.context` and `runtime.idle_s`")
        self._require(upstream)
        resident, started = self._residents.enter(upstream), asyncio.get_running_loop().time()
        try:
            await self._visits.loaded(resident, self._limits.load_s)
        finally:
            self._residents.leave(resident, served=False)
        return asyncio.get_running_loop().time() - started

    async def unload(self, upstream: str) -> None:
        """Let go of it. Raises NotFoundError, ConflictError when it is serving."""
        self._require(upstream)
        await self._residents.unload(upstream)

    async def close(self) -> None:
        """Stop all children."""
        await self._residents.close()

    def _require(self, name: str) -> None:
        """Raise NotFoundError when it is not in the library: of one request that is this backend's failure."""
        try:
            self._find(name)
        except BackendError as error:
            raise NotFoundError(error.message, hint=error.hint) from error

    def _find(self, name: str) -> LoadableModel:
        for model in self._models():
            if model.name == name:
                return model
        message = f"{self.name}: {name} is not in the library"
        raise BackendError(message, hint="see what is with `roundhouse models ls`")

    def _meet(self, name: str) -> Resident:
        """The model of that name as it is now, which stays the same until the library changes."""
        model = self._find(name)
        fit = self._fit(model)

        async def lease() -> Lease:
            return Lease(fit.need.total, fit.context, partial(start, model, fit, self._limits, self._environ))

        return Resident(name, lease, pin="runtime.pinned" if name in self._limits.pinned else None)

    def _pinned(self) -> Sequence[LoadableModel]:
        """Those that stay in memory and may be loaded, in the order they were named in."""
        wanted = self._limits.pinned
        here = {model.name: model for model in self._models() if model.name in wanted} if wanted else {}
        return [here[name] for name in wanted if name in here and here[name].barred is None]

    def _fit(self, model: LoadableModel) -> Fit:
        """How *model* is loaded beside the pinned ones."""
        before, all_of_them = self._taken(self._pinned())
        return self._limits.fit(model, before.get(model.name, all_of_them))

    def _taken(self, pinned: Sequence[LoadableModel]) -> tuple[Mapping[str, int], int]:
        """Bytes that are taken before each of *pinned* comes, and when all of them are in memory."""
        taken, before = 0, {}
        for model in pinned:
            before[model.name] = taken
            taken += self._limits.fit(model, taken).need.total
        return before, taken

    def _deployment(self, model: LoadableModel, fit: Fit, *, is_loaded: bool) -> Deployment:
        seen = self._residents.known(model.name)
        return Deployment(
            backend=self.name,
            model=model.name,
            upstream=model.name,
            capabilities=model.can,
            context=fit.context,
            price=_FREE,
            residency=Residency.LOADED if is_loaded else Residency.COLD,
            local=True,
            barred=model.barred,
            # More would wait inside the child, where a crash takes all of them.
            traits=replace(
                model.traits,
                slots=self._limits.parallel,
                memory=fit.need.total,
                load_s=None if seen is None else seen.load_s,
                vram=None if seen is None or seen.loaded is None else seen.loaded.vram,
                warnings=(*fit.warnings, *model.warnings),
            ),
        )

    def _tell(self, model: str, loaded: bool) -> None:  # noqa: FBT001 - the event's own field
        self._events.publish(ResidencyChanged(self.name, model, loaded=loaded))

    def _library_changed(self, event: Event) -> None:
        if isinstance(event, ArtifactAdded | ArtifactRemoved):
            self._residents.outdate(event.model)


async def _meaning(error: RoundhouseError, _loaded: Loaded) -> RoundhouseError | None:
    """What llama.cpp says is so; what broke off is to be looked into."""
    if isinstance(error, NetworkError):
        return None
    # It is well, and there is no use in asking it again.
    if _TOO_LONG in error.message:
        return SchemaError(error.message, hint=_USE_AN_EMBEDDER, details=error.details)
    return error
