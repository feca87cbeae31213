"""A backend that is Anthropic, or speaks like it. Knows nothing about other backends, nor when to try one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus

from roundhouse.backends.checks import check
from roundhouse.backends.kinds.anthropic.asking import Asked, asked
from roundhouse.backends.kinds.anthropic.calls import Calls
from roundhouse.backends.kinds.anthropic.config import Policy, policy_of
from roundhouse.backends.kinds.anthropic.failures import read_failure
from roundhouse.backends.kinds.anthropic.listing import Model, listed, undeclared
from roundhouse.backends.kinds.anthropic.nature import Nature, nature_by_name
from roundhouse.backends.kinds.anthropic.saying import Frame, whole_answer
from roundhouse.backends.kinds.anthropic.telling import Telling
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Operation
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, Wish, Workshop

URL = "https://api.anthropic.com"
#: Where Anthropic's own programs look for the key.
_KEY_ENV = "ANTHROPIC_API_KEY"
_NO_LIST = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class Anthropic:
    """One account at Anthropic, or one server with its Messages API."""

    features: frozenset[Feature] = frozenset()

    @classmethod
    def made(cls, wish: Wish, workshop: Workshop) -> Anthropic:
        """Make one as it was configured; configured address and keys come before the usual. Raises ConfigError."""
        policy = policy_of(wish.name, wish.options)
        usual = workshop.environ.get(_KEY_ENV, "").strip()
        terms = Terms(
            connect_s=wish.connect_s,
            idle_s=wish.idle_s,
            key_header="x-api-key",
            key_prefix="",
            headers=policy.headers,
            read_failure=read_failure,
        )
        calls = Calls(wish.name, wish.url or URL, wish.keys or ((usual,) if usual else ()), terms)
        return cls(calls, workshop.clock, policy=policy, models=wish.models)

    def __init__(self, calls: Calls, clock: Clock, *, policy: Policy, models: Sequence[str] = ()) -> None:
        self.name, self.url = calls.name, calls.url
        self._calls, self._clock = calls, clock
        self._policy = policy
        self._wanted = tuple(models)
        self._natures: dict[str, Nature] = {}

    async def deployments(self) -> Sequence[Deployment]:
        """What the keys may ask; when models are configured, those, with what the list says. Raises NetworkError."""
        try:
            found = await self._listed()
        except RoundhouseError:
            if not self._wanted:
                raise
            # Somebody named its models: they are known, and whether they answer is for the breaker to find out.
            found = []
        known = {model.name: model for model in found}
        chosen: list[Model] = [known.get(name) or undeclared(name) for name in self._wanted] or found
        self._natures = {model.name: model.nature for model in chosen}
        return [model.deployment(self.name, local=self._calls.local) for model in chosen]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer. Raises what the port says."""
        try:
            wanted = self._wanted_of(request, deployment.upstream)
            data = await self._calls.whole(wanted.body(deployment.upstream, stream=False), request.timeout_s)
            return whole_answer(data, self._frame(request, deployment, wanted))
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        try:
            wanted = self._wanted_of(request, deployment.upstream)
            body = wanted.body(deployment.upstream, stream=True)
            telling = Telling(self._frame(request, deployment, wanted))
            async with aclosing(self._calls.stream(body, request.timeout_s, lambda: telling.done)) as pieces:
                async for data in pieces:
                    for chunk in telling.feed(data):
                        yield chunk
            for chunk in telling.finish():
                yield chunk
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__

    async def health(self) -> BackendHealth:
        """Whether it lists its models, which costs nobody money."""
        return await check(self._how_it_is, lambda: self._calls.warning)

    async def _how_it_is(self) -> str:
        return f"answers; models: {len(await self._listed())}"

    async def close(self) -> None:
        """Let go of all connections."""
        await self._calls.close()

    async def _listed(self) -> list[Model]:
        """What it lists; the configured names when it has no list, as many servers with this API."""
        try:
            return await listed(self._calls.get)
        except RoundhouseError as error:
            if not self._wanted or error.details.get("status") not in _NO_LIST:
                raise
        return [undeclared(name) for name in self._wanted]

    def _wanted_of(self, request: InferenceRequest, upstream: str) -> Asked:
        """The request in Anthropic's words. Raises SchemaError."""
        if request.profile.operation is not Operation.CHAT:
            message = f"Anthropic chats and has no {request.profile.operation}s"
            raise SchemaError(message, hint="choose a model of another backend")
        nature = self._natures.get(upstream) or nature_by_name(upstream)
        return asked(request.body, nature, self._policy)

    def _frame(self, request: InferenceRequest, deployment: Deployment, wanted: Asked) -> Frame:
        created = int(self._clock.now().timestamp())
        return Frame(request.id, deployment.upstream, created, by_tool=wanted.by_tool)
