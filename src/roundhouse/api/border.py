"""Where requests come in: who asks, how large and how slow they may be, and one envelope for whatever goes wrong.

Knows nothing about routes.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roundhouse.access.principal import Principal
from roundhouse.api.errors import answer_of
from roundhouse.core.errors import InternalError, RoundhouseError, SchemaError, SlowRequestError, TooLargeError

_log = structlog.get_logger("roundhouse.api")

#: A client's own request id is kept when it is harmless in a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class _Gone(Exception):  # noqa: N818 - no error: there is nobody left to tell
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how slowly a client may send."""

    body: int = 32 * 1024 * 1024
    receive_s: float = 30.0


#: Method and path of requests.
Addresses = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Border:
    """An ASGI app around another: authenticates before anything is parsed, and lets no exception out."""

    app: ASGIApp
    authenticate: Callable[[Scope], Principal]
    new_id: Callable[[], str]
    limits: Limits
    #: Requests whose body is not read here, but by whoever answers, piece by piece.
    streamed: Addresses = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in {"http", "websocket"}:
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self.new_id()
        is_socket = scope["type"] == "websocket"
        door = (_Hatch if is_socket else _Door)(send, request_id)
        try:
            state = {**scope.get("state", {}), "principal": self.authenticate(scope), "request_id": request_id}
            await self.app({**scope, "state": state}, await self._reading(scope, receive), door.send)
        except _Gone:
            return None
        except RoundhouseError as error:
            await door.refuse(error, scope, receive)
        except Exception:  # noqa: BLE001 - the request boundary
            method = scope.get("method", "WEBSOCKET")
            _log.exception("request failed", request_id=request_id, method=method, path=scope["path"])
            await door.refuse(InternalError(), scope, receive)
        return None

    async def _reading(self, scope: Scope, receive: Receive) -> Receive:
        """How whoever answers gets the body: whole and checked already, or as it comes. Raises what reading raises."""
        if scope["type"] == "websocket":
            return receive
        if (scope["method"], scope["path"]) in self.streamed:
            return _hurried(receive, self.limits)
        return _replay(await _read(scope, receive, self.limits), receive)


class _Door:
    """The way out: every answer carries its request id and is kept by nobody."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, request_id
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
        await self._send(message)

    async def refuse(self, error: RoundhouseError, scope: Scope, receive: Receive) -> None:
        """Answer with *error*, unless an answer is on its way already."""
        if not self._started:
            await answer_of(error, self._request_id)(scope, receive, self.send)


class _Hatch(_Door):
    """The way out of a WebSocket: what is refused before it was accepted is answered over HTTP."""

    async def send(self, message: Message) -> None:
        if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
            self._started = True
            message.setdefault("headers", [])
            MutableHeaders(scope=message)["x-request-id"] = self._request_id
        await self._send(message)

    async def refuse(self, error: RoundhouseError, scope: Scope, receive: Receive) -> None:
        if self._started:  # 1011: something went wrong here
            await self._send({"type": "websocket.close", "code": 1011, "reason": error.code})
        else:
            await answer_of(error, self._request_id)(scope, receive, self.send)


async def _read(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """Read the whole body before anybody parses it. Raises TooLargeError, SchemaError."""
    announced = Headers(scope=scope).get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limits.body:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.receive_s):
            return await _collect(receive, limits)
    except TimeoutError:
        message = f"the body did not arrive within {limits.receive_s:g} s"
        raise SchemaError(message, retryable=True) from None


async def _collect(receive: Receive, limits: Limits) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > limits.body:
            raise _too_large(limits)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(limits: Limits) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limits.body:,} bytes")


def _hurried(receive: Receive, limits: Limits) -> Receive:
    """Give the body as it comes, as long as it does come."""

    async def next_piece() -> Message:
        try:
            async with asyncio.timeout(limits.receive_s):
                return await receive()
        except TimeoutError:
            message = f"not a byte of the body for {limits.receive_s:g} s"
            raise SlowRequestError(message) from None

    return next_piece


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, then whatever comes after it."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again
