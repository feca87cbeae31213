"""A backend that speaks OpenAI's dialect over HTTP. Knows nothing about which one it is, nor when to try another.

On the way of a request that succeeds no URL is parsed, no header is built and nothing is logged.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from roundhouse.backends.checks import check
from roundhouse.backends.openai.connection import (
    Connection,
    Terms,
    allow_silence,
    is_loopback,
    lost,
    read,
    read_to_end,
    unreachable,
)
from roundhouse.backends.openai.keys import KeyRing, Way, warning_of
from roundhouse.backends.wire import dimensions, rerank
from roundhouse.backends.wire.bodies import asking_for_floats, asks_for_base64, in_base64, is_about_base64, rewrite
from roundhouse.backends.wire.chunks import read_answer
from roundhouse.backends.wire.listing import Listed, read_list, undeclared
from roundhouse.backends.wire.secrets import hide
from roundhouse.backends.wire.stream import AnswerStream
from roundhouse.core.errors import BackendError, ConfigError, RoundhouseError, SchemaError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Operation
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, Wish, Workshop

_PATHS = {
    Operation.CHAT: "chat/completions",
    Operation.COMPLETION: "completions",
    Operation.EMBEDDING: "embeddings",
    Operation.RERANK: "rerank",
}
#: A base address that ends like this names its API already; any other gets ``/v1``.
_VERSIONED = re.compile(r"/(v\d\w*|openai)$")
_NO_LIST = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class OpenAICompatible:
    """One address that speaks OpenAI's dialect."""

    features: frozenset[Feature] = frozenset()

    @classmethod
    def made(cls, wish: Wish, _workshop: Workshop) -> Self:
        """Make one as it was configured. Raises ConfigError."""
        if wish.url is None:
            message = f"backends.{wish.name} needs a url"
            raise ConfigError(message)
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s)
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
        self.name = name
        self._terms = terms or Terms()
        self.url = url.rstrip("/") if self._terms.quirks.is_unversioned else _with_version(url)
        self._api_keys = (api_key,) if isinstance(api_key, str) else tuple(api_key or ())
        self._models = tuple(models)
        self._local = is_loopback(self.url) if self._terms.local is None else self._terms.local
        self._list_url = URL(f"{self.url}/models", encoded=True)
        self._urls = {operation: URL(f"{self.url}/{path}", encoded=True) for operation, path in _PATHS.items()}
        self._paths = {operation: url.raw_path_qs.encode("ascii") for operation, url in self._urls.items()}
        ways = [Connection(self._list_url, key, self._terms) for key in self._api_keys or (None,)]
        self._connection: Way = ways[0] if len(ways) == 1 else KeyRing(ways)
        #: Learnt from its refusal of base64.
        self._floats_only = False

    async def deployments(self) -> Sequence[Deployment]:
        """What it lists; when models are configured, those, with what the list says about them. Raises NetworkError."""
        try:
            listed = await self._listed()
        except RoundhouseError:
            if not self._models:
                raise
            # Somebody named its models: they are known, and whether they answer is for the breaker to find out.
            listed = []
        if not self._models:
            return [self._deployment(model) for model in listed]
        known = {key: model for model in listed for key in (model.id, model.name)}
        return [self._deployment(known.get(name) or undeclared(name)) for name in self._models]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer. Raises what the port says."""
        operation = request.profile.operation
        try:
            body = rewrite(request.body, msgspec.json.encode(deployment.upstream), quirks=self._terms.quirks)
            if operation is Operation.EMBEDDING:
                return await self._embed(request, body)
            if operation is Operation.RERANK:
                question = rerank.read(body)
                return rerank.answered(await self._ask(request, question.body), question)
            return read_answer(await self._ask(request, body), operation)
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        answer, begun = AnswerStream(), False
        response = await self._open(request, deployment)
        try:
            async for data in response.content.iter_any():
                if not begun:
                    begun = True
                    allow_silence(response, self._terms.idle_s)
                for chunk in answer.feed(data):
                    yield chunk
                if answer.done:
                    break
            for chunk in answer.finish():
                yield chunk
            await read_to_end(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._named(lost(error, request.timeout_s, begun=begun)) from error
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__
        finally:
            # Closes the connection unless it was read to its end: that is what stops the work upstream.
            response.release()

    async def health(self) -> BackendHealth:
        """Whether it lists its models, which costs nobody money."""
        return await check(self._how_it_is, lambda: warning_of(self._connection))

    async def _how_it_is(self) -> str:
        return f"answers; models: {len(await self._listed())}"

    async def close(self) -> None:
        """Let go of all connections."""
        await self._connection.close()

    async def _embed(self, request: InferenceRequest, body: bytes) -> Answer:
        """Embeddings in the encoding that was asked for, also from a backend that only knows floats."""
        in_text, length = asks_for_base64(body), dimensions.wanted(body)
        if in_text and self._floats_only:
            body = asking_for_floats(body)
        try:
            data = await self._ask(request, body)
        except SchemaError as error:
            if not in_text or self._floats_only or not is_about_base64(error.message):
                raise
            self._floats_only = True
            data = await self._ask(request, asking_for_floats(body))
        answer = read_answer(data, Operation.EMBEDDING)
        dimensions.check_count(body, data)
        if length is not None:
            dimensions.check(data, length)
        return Answer(in_base64(answer.data), usage=answer.usage) if in_text else answer

    async def _ask(self, request: InferenceRequest, body: bytes) -> bytes:
        """The body of the answer to one POST."""
        return await self._connection.whole(self._paths[request.profile.operation], body, request.timeout_s)

    async def _open(self, request: InferenceRequest, deployment: Deployment) -> aiohttp.ClientResponse:
        """The response to a streamed request, once its headers say that it is one."""
        operation = request.profile.operation
        try:
            model, quirks = msgspec.json.encode(deployment.upstream), self._terms.quirks
            body = rewrite(request.body, model, with_usage=True, quirks=quirks)
            response = await self._sent(request, body)
            if response.status == HTTPStatus.OK and response.content_type != "application/json":
                return response
            async with response:
                read_answer(await read(response, self._terms.read_failure), operation)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._named(lost(error, request.timeout_s)) from error
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__
        message = f"{self.name}: it answered in one piece although a stream was asked for"
        raise BackendError(message)

    async def _sent(self, request: InferenceRequest, body: bytes) -> aiohttp.ClientResponse:
        """The response to one POST whose answer is streamed."""
        return await self._connection.stream(self._urls[request.profile.operation], body, request.timeout_s)

    async def _listed(self) -> list[Listed]:
        """What it lists; the configured names when it has no list."""
        try:
            async with await self._connection.get(self._list_url) as response:
                if response.status in _NO_LIST and self._models:
                    return [undeclared(name) for name in self._models]
                return read_list(await read(response), self._terms.quirks.prices)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._named(unreachable(error)) from error
        except RoundhouseError as error:
            raise self._named(error) from error.__cause__

    def _deployment(self, model: Listed) -> Deployment:
        return Deployment(
            backend=self.name,
            model=model.name,
            upstream=model.id,
            capabilities=model.capabilities,
            context=model.context,
            price=model.price,
            residency=model.residency,
            local=self._local,
        )

    def _named(self, error: RoundhouseError) -> RoundhouseError:
        """The same error, saying whose it is and never what our key is."""
        hide(error, self._api_keys)
        error.message = f"{self.name}: {error.message}"
        error.args = (error.message,)
        error.details = {**error.details, "backend": self.name}
        return error


def _with_version(url: str) -> str:
    """The base address with its version, without a slash at its end."""
    base = url.rstrip("/")
    return base if _VERSIONED.search(base) else f"{base}/v1"
