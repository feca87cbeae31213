"""Another node of ours: OpenAI's dialect, and what its management API tells of its models.

Each request says which nodes it came over, so that none passes it on in a circle. What the other node itself only has
from a third one is not listed, unless somebody names it: otherwise two nodes would offer each other a model that
neither has any more. Knows nothing about when to use it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from typing import Self

import aiohttp
import msgspec

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.openai.connection import Connection, Terms
from roundhouse.backends.wire.failures import failure
from roundhouse.backends.wire.listing import undeclared
from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    ConfigError,
    DeadlineError,
    LimitError,
    LoopError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.inference import CacheUse, Capability, Chunk, Deployment, InferenceRequest, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Traits, Wish, Workshop

_KNOWN = {each.value: each for each in Capability}
#: What means the same on both sides; within a stream there is no status to tell it.
_SAME = {each.code: each for each in (SchemaError, LimitError, DeadlineError, CapacityError)}
_UNSERVED = frozenset({"E_NOROUTE", "E_NOTFOUND", "E_LICENSE"})


class _Model(msgspec.Struct):
    """A model of the other node; what it does not tell is what an older version does not know."""

    name: str
    context: int | None = None
    served_context: int | None = None
    slots: int | None = None
    dimension: int | None = None
    digest: str | None = None
    repo: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    architecture: str | None = None
    format: str | None = None
    size: int | None = None
    loaded: bool = False
    deployments: list[str] = []
    capabilities: list[str] = []
    passed_on: bool = False
    #: What is not told is not promised.
    leaves_machine: bool = True


class _Models(msgspec.Struct):
    models: list[_Model]


def node_failure(status: int, headers: Mapping[str, str], data: bytes) -> RoundhouseError:
    """What another node's refusal means here: what it cannot do, somebody else may."""
    error = failure(status, headers, data)
    if status == HTTPStatus.LOOP_DETECTED:
        return LoopError(error.message, retryable=True)
    return meant(error)


def meant(error: RoundhouseError) -> RoundhouseError:
    """What the code of the other node's error means here, whether it came as a status or within a stream."""
    code = error.details.get("upstream_code")
    same = _SAME.get(code) if isinstance(code, str) else None
    if same is not None and not isinstance(error, same):
        return same(error.message, retry_after_s=error.retry_after_s, details=error.details)
    if code in _UNSERVED:
        # Not our key: that a licence is in the way has the same status.
        return BackendError(error.message.removeprefix("the key is refused: "), details=error.details)
    return error


class Node(Asking):
    """One other node."""

    @classmethod
    def made(cls, wish: Wish, workshop: Workshop) -> Self:
        """Make one as it was configured. Raises ConfigError."""
        if wish.url is None:
            message = f"backends.{wish.name} needs a url"
            raise ConfigError(message, hint='that of another Roundhouse, such as "http://box.lan:8484"')
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s)
        return cls(wish.name, wish.url, api_key=wish.keys, models=wish.models, terms=terms, node=workshop.node)

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str | Sequence[str] | None = None,
        models: Sequence[str] = (),
        terms: Terms | None = None,
        node: str,
    ) -> None:
        terms = replace(terms or Terms(), read_failure=node_failure)
        super().__init__(name, url, api_key=api_key, models=models, terms=terms)
        #: What this node is called, which the other one is told.
        self._node = node
        # With the first key: several are for providers that ration them.
        self._way = Connection(self._list_url, next(iter(self._api_keys), None), terms)

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves itself; when models are configured, those, with what is known of them. Raises NetworkError."""
        try:
            listed = (await self.ask("/api/v1/models", _Models)).models
        except RoundhouseError:
            if not self._models:
                raise
            listed = []
        known = {model.name: model for model in listed if model.deployments}
        if self._models:
            return [self._offer(known.get(name) or _Model(name)) for name in self._models]
        return [self._offer(model) for model in known.values() if not model.passed_on]

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration; LoopError as well."""
        try:
            async with aclosing(super().stream(request, deployment)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BackendError as error:
            raise meant(error) from error.__cause__

    async def health(self) -> BackendHealth:
        """Whether it lives; it is not asked how its own backends are, who might ask back."""
        return await self.well("/healthz", lambda _data: "Roundhouse answers")

    async def close(self) -> None:
        """Let go of all connections."""
        await self._way.close()
        await super().close()

    async def _ask(self, request: InferenceRequest, body: bytes) -> bytes:
        path = self._paths[request.profile.operation]
        return await self._way.whole(path, body, request.timeout_s, self._extra(request))

    async def _sent(self, request: InferenceRequest, body: bytes) -> aiohttp.ClientResponse:
        url = self._urls[request.profile.operation]
        return await self._way.stream(url, body, request.timeout_s, self._extra(request))

    def _extra(self, request: InferenceRequest) -> dict[str, str]:
        """The headers of one request: how it came here, how urgent it is, and what it is called.

        Over there all of ours are one tenant, so no answer that one of them was given may be given to another.
        """
        return {
            "x-roundhouse-hops": ", ".join([*request.hops, self._node]),
            "x-roundhouse-priority": str(request.priority),
            "x-roundhouse-cache": CacheUse.OFF.value,
            "x-request-id": request.id,
        }

    def _offer(self, model: _Model) -> Deployment:
        capabilities = frozenset(_KNOWN[each] for each in model.capabilities if each in _KNOWN)
        return Deployment(
            backend=self.name,
            model=model.name,
            upstream=model.name,
            capabilities=capabilities or undeclared(model.name).capabilities,
            context=model.served_context,
            residency=Residency.LOADED if model.loaded else Residency.UNKNOWN,
            local=self._local and not model.leaves_machine,
            traits=Traits(
                context_max=model.context,
                quantization=model.quantization,
                parameters=model.parameters,
                family=model.architecture,
                format=model.format,
                dimension=model.dimension,
                # More would wait over there, where they are lost when it goes.
                slots=model.slots,
                size=model.size,
                digest=model.digest,
                repo=model.repo,
                is_passed_on=True,
            ),
        )
