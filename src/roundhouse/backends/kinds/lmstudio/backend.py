"""LM Studio as a backend: told truthfully by its native API, each model loaded once however many ask for it.

Knows nothing about when to try another backend. Replies come through ``/v1``, which all its versions have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Self

from roundhouse.backends.kinds.lmstudio.calls import Calls
from roundhouse.backends.kinds.lmstudio.config import Policy, policy_of
from roundhouse.backends.kinds.lmstudio.copies import Copy
from roundhouse.backends.kinds.lmstudio.facts import Known
from roundhouse.backends.kinds.lmstudio.memory import Memory
from roundhouse.backends.kinds.lmstudio.need import Need
from roundhouse.backends.kinds.lmstudio.saying import check_speaker, is_gone
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.clock import Clock, SystemClock
from roundhouse.core.errors import BackendError, DeadlineError, NetworkError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Residency
from roundhouse.core.runtimes import Feature, Traits, Wish, Workshop

DEFAULT_URL = "http://127.0.0.1:1234"


class LMStudio(OpenAICompatible):
    """One LM Studio."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD})

    @classmethod
    def made(cls, wish: Wish, workshop: Workshop) -> Self:
        """Make one as it was configured; without an address, the one of this machine. Raises ConfigError."""
        return cls(
            wish.name,
            wish.url or DEFAULT_URL,
            api_key=wish.keys,
            models=wish.models,
            terms=Terms(connect_s=wish.connect_s, idle_s=wish.idle_s),
            clock=workshop.clock,
            policy=policy_of(wish.name, wish.options),
        )

    def __init__(  # noqa: PLR0913 - what all of the dialect have, and how this one is used
        self,
        name: str,
        url: str,
        *,
        api_key: str | Sequence[str] | None = None,
        models: Sequence[str] = (),
        terms: Terms | None = None,
        clock: Clock | None = None,
        policy: Policy | None = None,
    ) -> None:
        root = _root(url)
        super().__init__(name, root, api_key=api_key, models=models, terms=terms)
        self._calls = Calls(root, self._connection, self._named)
        self._memory = Memory(name, self._calls, clock or SystemClock(), policy or Policy())

    async def deployments(self) -> Sequence[Deployment]:
        """What is downloaded there, loaded or not. Raises NetworkError."""
        known = await self._look()
        self._memory.keep_up()
        if known is None:
            return await super().deployments()
        mine = {model.key: model for model in known}
        keys = self._models or tuple(mine)
        return [self._told(mine[key]) for key in keys if key in mine]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer, from a model that is loaded first if it must be. Raises what the port says."""
        is_second = False
        while True:
            copy = await self._ready(request, deployment)
            try:
                with self._memory.copies.using(copy):
                    answer = await super().answer(request, _asked_of(copy, deployment))
                    self._check_speaker(answer.data, copy, deployment)
            except RoundhouseError as error:
                self._note(error, copy)
                if is_second or not is_gone(error):
                    raise _for_others(error) from error.__cause__
            else:
                return answer
            is_second = True

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        is_second = begun = False
        while True:
            copy = await self._ready(request, deployment)
            try:
                with self._memory.copies.using(copy):
                    async with aclosing(super().stream(request, _asked_of(copy, deployment))) as chunks:
                        async for chunk in chunks:
                            if not begun:
                                self._check_speaker(chunk.data, copy, deployment)
                                begun = True
                            yield chunk
            except RoundhouseError as error:
                self._note(error, copy)
                if is_second or begun or not is_gone(error):
                    raise _for_others(error) from error.__cause__
            else:
                return
            is_second = True

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory once, however many ask; seconds it took. Raises NotFoundError, CapacityError.

        Without *keep_s* it stays until there is no room for another.
        """
        return await self._memory.load(upstream, context, keep_s)

    async def unload(self, upstream: str) -> None:
        """Let go of all its copies. Raises NotFoundError, ConflictError, BackendError."""
        await self._memory.unload(upstream)

    async def _how_it_is(self) -> str:
        known = await self._look()
        if known is None:
            return await super()._how_it_is()
        loaded = sum(model.residency is Residency.LOADED for model in known)
        return f"LM Studio, API v{self._calls.version}; loaded: {loaded} of {len(known)}"

    async def close(self) -> None:
        """Let go of all connections, and of loads that nobody waits for any more."""
        await self._memory.close()
        await super().close()

    async def _look(self) -> list[Known] | None:
        """What it has, and what it can do: only since 0.4 does it unload when asked. Raises RoundhouseError."""
        known = await self._memory.look()
        self.features = frozenset({Feature.LOAD, Feature.UNLOAD} if self._calls.version == 1 else {Feature.LOAD})
        return known

    async def _ready(self, request: InferenceRequest, deployment: Deployment) -> Copy:
        """A copy in memory that can be asked. Raises what the port says."""
        upstream = deployment.upstream
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._memory.ready(upstream, Need.of(request))
        except TimeoutError as error:
            message = f"{upstream} was not loaded within {request.timeout_s:g} s"
            raise self._named(DeadlineError(message, hint="load it before, or allow more time")) from error
        except RoundhouseError as error:
            raise _for_others(error) from error.__cause__

    def _check_speaker(self, data: bytes, copy: Copy, deployment: Deployment) -> None:
        try:
            check_speaker(data, copy.instance, deployment.upstream)
        except BackendError as error:
            raise self._named(error) from None

    def _note(self, error: RoundhouseError, copy: Copy) -> None:
        """Take from a failure what it says about what is in memory."""
        if is_gone(error):
            self._memory.copies.drop(copy)
        elif isinstance(error, NetworkError):
            self._memory.lost()

    def _told(self, model: Known) -> Deployment:
        load_s = self._memory.took(model.key)
        traits: Traits = model.traits if load_s is None else replace(model.traits, load_s=load_s)
        return Deployment(
            backend=self.name,
            model=model.key,
            upstream=model.key,
            capabilities=model.capabilities,
            context=self._memory.context(model),
            residency=model.residency,
            local=self._local,
            traits=traits,
        )


def _root(url: str) -> str:
    """The address without a version, which whoever configured it as OpenAI's dialect wrote behind it."""
    return url.rstrip("/").removesuffix("/v1")


def _asked_of(copy: Copy, deployment: Deployment) -> Deployment:
    return deployment if copy.instance == deployment.upstream else replace(deployment, upstream=copy.instance)


def _for_others(error: RoundhouseError) -> RoundhouseError:
    """The same error; a model that is not here, another backend may have."""
    if is_gone(error) and not isinstance(error, BackendError):
        return BackendError(error.message, hint=error.hint, details=error.details)
    return error
