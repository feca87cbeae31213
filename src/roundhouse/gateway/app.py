"""The gateway: from ASGI to a request, from an answer to ASGI. Knows nothing about how models are chosen or run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import NamedTuple, Protocol

import structlog

from roundhouse.access.permissions import Permission
from roundhouse.access.principal import Principal
from roundhouse.core.errors import (
    CapacityError,
    ForbiddenError,
    InternalError,
    MethodError,
    NotFoundError,
    RoundhouseError,
    SlowRequestError,
    TooLargeError,
)
from roundhouse.core.inference import Answer, CacheUse, Chunk, InferenceRequest, Operation
from roundhouse.gateway import body, headers, models, openai
from roundhouse.gateway.asgi import ClientGoneError, Receive, Scope, Send
from roundhouse.gateway.body import Limits
from roundhouse.gateway.exchange import Exchange
from roundhouse.gateway.models import Models
from roundhouse.gateway.signs import Signs
from roundhouse.gateway.sse import OpenAIEvents
from roundhouse.gateway.vigil import Patience, Vigil
from roundhouse.serving.admission.rules import Waiting
from roundhouse.serving.attempts import Served

_log = structlog.get_logger("roundhouse.gateway")

_OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "/v1/chat/completions": Operation.CHAT,
        "/v1/completions": Operation.COMPLETION,
        "/v1/embeddings": Operation.EMBEDDING,
        "/v1/rerank": Operation.RERANK,
        # Clients of Jina and of LiteLLM ask here, too.
        "/rerank": Operation.RERANK,
    }
)
_MODELS = "/v1/models"
_ADDRESSES = (*(path for path in _OPERATIONS if path.startswith("/v1/")), _MODELS)
#: What clients ask when their base URL does not end in ``/v1``; the answer says so.
BARE = frozenset(address.removeprefix("/v1") for address in _ADDRESSES)
#: What a restart takes, about.
_RESTART_S = 5.0


class _Asker(NamedTuple):
    """Who asks, and how urgently."""

    name: str
    priority: int
    cache: CacheUse
    hops: tuple[str, ...]


def _asker(name: str, scope: Scope, node: str) -> _Asker:
    asked = scope["headers"]
    return _Asker(name, headers.priority(asked), headers.cache_use(asked), headers.hops(asked, node))


class Serves(Protocol):
    """Whoever turns a request into an answer: ``serving.Serving``."""

    async def answer(self, request: InferenceRequest) -> tuple[Served, Answer]:
        """The whole answer. Raises RoundhouseError."""

    async def stream(self, request: InferenceRequest) -> tuple[Served, AsyncGenerator[Chunk, None]]:
        """The answer piece by piece, from its first visible piece on. Raises RoundhouseError, also on iteration."""

    def waiting(self, request_id: str) -> Waiting | None:
        """What the client of a request is told while it waits; ``None`` when there is nothing to tell."""


class Gateway:
    """An ASGI app that serves everything under ``/v1``."""

    def __init__(  # noqa: PLR0913 (one place introduces them)
        self,
        serving: Serves,
        authenticate: Callable[[Scope], Principal],
        catalogue: Models,
        new_id: Callable[[], str],
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        patience: Patience = Patience(),  # noqa: B008 - frozen
        node: str = "",
    ) -> None:
        self._serving = serving
        self._authenticate = authenticate
        self._catalogue = catalogue
        self._new_id = new_id
        self._limits = limits
        self._patience = patience
        #: What this node is called in the list of those that a request came over.
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; let no exception out."""
        if scope["type"] != "http":
            return
        exchange = Exchange(send, self._new_id())
        try:
            await self._serve(scope, receive, exchange)
        except ClientGoneError:
            return
        except RoundhouseError as error:
            await exchange.fail(error)
        except asyncio.CancelledError:
            # Only a server that stops cancels what a client still waits for; there is nothing after this to cancel.
            message = "Roundhouse is stopping"
            await exchange.fail(CapacityError(message, retry_after_s=_RESTART_S))
        except Exception:  # noqa: BLE001 - the request boundary
            _log.exception("request failed", request_id=exchange.request_id, path=scope["path"])
            await exchange.fail(InternalError())

    async def _serve(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        principal = self._authenticate(scope)
        path, method = scope["path"], scope["method"]
        operation = _OPERATIONS.get(path)
        if operation is not None:
            _require(principal, Permission.INFER)
            _only(method, "POST")
            try:
                content = await body.read(receive, scope["headers"], self._limits)
            except (TooLargeError, SlowRequestError) as error:
                await self._hang_up(error, receive, exchange)
            else:
                asker = _asker(principal.name, scope, self._node)
                await self._infer(operation, content, asker, receive, exchange)
        elif path == _MODELS or path.startswith(f"{_MODELS}/"):
            _require(principal, Permission.MODELS_READ)
            _only(method, "GET", "HEAD")
            await exchange.answer(200, [], self._models(path))
        else:
            raise _nothing_at(path)

    async def _hang_up(self, error: RoundhouseError, receive: Receive, exchange: Exchange) -> None:
        """Answer while the body is still on its way, read on for a while so that the client sees it, and close."""
        await exchange.fail(error, more=True)
        if isinstance(error, TooLargeError):
            await body.discard(receive, self._limits)
        await exchange.finish()

    def _models(self, path: str) -> bytes:
        name = path.removeprefix(_MODELS).removeprefix("/")
        if not name:
            return models.all_of(self._catalogue.listed())
        entry = self._catalogue.find(name)
        if entry is None:
            message = f"no model is called {name[:200]!r}"
            raise NotFoundError(message, hint="`roundhouse models ls` lists them", details={"param": "model"})
        return models.one(entry)

    async def _infer(
        self, operation: Operation, content: bytes, asker: _Asker, receive: Receive, exchange: Exchange
    ) -> None:
        reading = openai.read(operation, content)
        request = InferenceRequest(
            id=exchange.request_id,
            profile=reading.profile,
            body=content,
            stream=reading.stream,
            wants_usage=reading.wants_usage,
            principal=asker.name,
            priority=asker.priority,
            cache=asker.cache,
            hops=asker.hops,
        )
        if reading.stream:
            exchange.will_stream(OpenAIEvents())
            async with Vigil(receive, self._patience, Signs(self._serving, exchange, self._patience)):
                await self._stream(request, exchange)
        else:
            async with Vigil(receive, self._patience):
                served, answer = await self._serving.answer(request)
                await exchange.answer(200, headers.of(served), answer.data)

    async def _stream(self, request: InferenceRequest, exchange: Exchange) -> None:
        served, chunks = await self._serving.stream(request)
        async with aclosing(chunks):
            await exchange.open(headers.of(served))
            async for chunk in chunks:
                await exchange.write(chunk)
            await exchange.close()


def _require(principal: Principal, permission: Permission) -> None:
    if not principal.can(permission):
        message = f"that needs the permission {permission.value}"
        raise ForbiddenError(message)


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        message = f"{method} is not possible here"
        raise MethodError(message, details={"allow": ", ".join(allowed)})


def _nothing_at(path: str) -> NotFoundError:
    """In the message, because clients show no hint: what was probably meant."""
    message = "there is nothing at this address"
    meant = "/v1/" + "/".join(part for part in path.split("/") if part not in {"", "v1"})
    if meant in _ADDRESSES:
        message += f"; with a base URL that ends in /v1 it would be {meant}"
    return NotFoundError(message, hint=f"there are {', '.join(_ADDRESSES)}")
