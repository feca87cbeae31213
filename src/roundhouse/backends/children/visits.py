"""Requests to residents: each waits for its model, and hears what became of a child that broke off.

Knows nothing about who is in memory, and nothing of any runtime.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from roundhouse.backends.children.resident import Loaded, Resident, State
from roundhouse.backends.children.residents import Residents
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.posting import UnreachableError
from roundhouse.core.errors import BackendError, DeadlineError, NetworkError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest

#: How long a child whose connection broke gets to be found dead.
_AUTOPSY_S = 1.0
#: What its runtime makes of an error of a child; ``None`` when it may have died of it.
Meaning = Callable[[RoundhouseError, Loaded], Awaitable[RoundhouseError | None]]


class _DiedBeforeError(BackendError):
    """The child was gone before anything was sent to it: this request had no part in that, and may try another."""


class Visits:
    """The way in for whoever has a request."""

    def __init__(self, backend: str, residents: Residents, meaning: Meaning) -> None:
        self._backend = backend
        self._residents = residents
        self._meaning = meaning

    async def answer(self, name: str, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer of the model *name*, after loading it if need be. Raises what the port says."""
        resident = self._residents.enter(name)
        served = False
        try:
            try:
                answer = await self._once(resident, request, deployment)
            except _DiedBeforeError:
                answer = await self._once(resident, request, deployment)
            served = True
        finally:
            self._residents.leave(resident, served=served)
        return answer

    async def stream(self, name: str, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The same piece by piece."""
        resident = self._residents.enter(name)
        served = False
        try:
            for is_last in (False, True):
                try:
                    async with (
                        self._child_of(resident, request.timeout_s) as client,
                        aclosing(client.stream(request, deployment)) as chunks,
                    ):
                        async for chunk in chunks:
                            yield chunk
                            served = served or chunk.final
                except _DiedBeforeError:
                    if is_last:
                        raise
                else:
                    return
        finally:
            self._residents.leave(resident, served=served)

    async def loaded(self, resident: Resident, within_s: float) -> Loaded:
        """Its child and the way to it, started if need be. Raises BackendError, CapacityError, DeadlineError."""
        if resident.state is State.READY and resident.loaded is not None:
            return resident.loaded
        try:
            async with asyncio.timeout(within_s):
                return await self._residents.ready(resident)
        except TimeoutError as error:
            message = f"{self._backend}: {resident.name} was not loaded within {within_s:g} s"
            raise DeadlineError(message, hint="it goes on loading; ask again") from error

    async def _once(self, resident: Resident, request: InferenceRequest, deployment: Deployment) -> Answer:
        async with self._child_of(resident, request.timeout_s) as client:
            return await client.answer(request, deployment)

    @asynccontextmanager
    async def _child_of(self, resident: Resident, within_s: float) -> AsyncIterator[OpenAICompatible]:
        """The way to its child; what goes wrong there is raised as what it means."""
        loaded = await self.loaded(resident, within_s)
        try:
            yield loaded.client
        except (NetworkError, BackendError) as error:
            meant = await self._meaning(error, loaded) or await self._autopsy(error, loaded, resident)
            if meant is error:
                raise
            raise meant from error

    async def _autopsy(self, error: RoundhouseError, loaded: Loaded, resident: Resident) -> RoundhouseError:
        """What an answer that broke off means: nearly always that the child crashed."""
        child = loaded.child
        try:
            async with asyncio.timeout(_AUTOPSY_S):
                await asyncio.shield(child.exited)
        except TimeoutError:
            return error
        message = f"{self._backend}: {child.runtime} was {child.ending} while it served {resident.name}"
        kind = _DiedBeforeError if isinstance(error, UnreachableError) else BackendError
        return kind(message, hint="the next request starts it again", details={"ending": child.ending})
