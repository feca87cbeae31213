"""``/events``: what happens, while it happens, as server-sent events or over a WebSocket.

Both send the same JSON. What a client says on its WebSocket is not listened to.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Text
from roundhouse.api.guard import needs, require
from roundhouse.core.desks.events import EventsDesk, EventView, Told, Wish
from roundhouse.core.errors import NotFoundError, SchemaError

PATH = "/api/v1/events"
#: Seconds after which a client that takes nothing is given up.
TAKE_S = 30.0
_KEYS = frozenset({"type", "transfer", "model", "after"})
_MOST = 16
#: Errors stay JSON in the schema, which a media type of the whole route would change.
_SHAPE: dict[str, object] = {
    "model": EventView,
    "description": "`data:` of each server-sent event, and each message of a WebSocket",
    "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/EventView"}}},
}
_Hearing = AbstractContextManager[AsyncIterator[Told]]


class EventStream(Response):
    """Server-sent events, as long as there are any and somebody takes them."""

    def __init__(self, hearing: _Hearing) -> None:
        super().__init__(headers={"x-accel-buffering": "no"}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._hearing = hearing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send until the end, or until the client has left. Raises SchemaError, LimitError before it begins."""
        with self._hearing as heard:
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": self.raw_headers})

            async def put(told: Told) -> None:
                await send({"type": "http.response.body", "body": _frame(told), "more_body": True})

            if await _tell(heard, put, receive):
                await send({"type": "http.response.body", "body": b""})


class EventSocket:
    """The ASGI app of WebSockets: the only one is that of events."""

    def __init__(self, desk: EventsDesk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one. Raises NotFoundError, ForbiddenError, SchemaError, LimitError before it is accepted."""
        if scope["path"] != PATH:
            message = "there is no WebSocket at this address"
            raise NotFoundError(message, hint=f"events are at {PATH}")
        require(HTTPConnection(scope), Permission.EVENTS_READ)
        with self._desk.listen(_wish_of(scope)) as heard:
            await receive()  # websocket.connect
            await send({"type": "websocket.accept"})

            async def put(told: Told) -> None:
                await send({"type": "websocket.send", "text": told.body.decode()})

            if await _tell(heard, put, receive):
                await send({"type": "websocket.close", "code": 1001, "reason": "the feed has ended"})


def add_events(router: APIRouter, desk: EventsDesk) -> None:
    """Add the route of events."""

    @router.get(
        PATH,
        tags=["events"],
        status_code=HTTPStatus.OK,
        response_class=EventStream,
        responses={HTTPStatus.OK: _SHAPE},
        openapi_extra=needs(Permission.EVENTS_READ),
    )
    async def events(
        type: Annotated[  # noqa: A002 - the event's own word
            list[Text] | None, Query(max_length=_MOST, description="types or topics: `transfer`, `model.added`")
        ] = None,
        transfer: Annotated[Text | None, Query(max_length=512, description="of one transfer, by id")] = None,
        model: Annotated[Text | None, Query(max_length=512, description="of one model, by name")] = None,
        after: Annotated[Text | None, Query(max_length=512, description="go on after the event of this id")] = None,
        last_event_id: Annotated[Text | None, Header(max_length=512, description="the same; wins")] = None,
    ) -> Response:
        """Follow what happens, or go on after an event that was seen."""
        # A browser that reconnects sends the address it began with, and the header that is newer.
        return EventStream(desk.listen(Wish(tuple(type or ()), transfer, model, last_event_id or after)))


def _wish_of(scope: Scope) -> Wish:
    """What the address of a WebSocket asks for. Raises SchemaError."""
    try:
        given = parse_qs(scope["query_string"].decode("ascii"), max_num_fields=_MOST, strict_parsing=False)
    except ValueError as error:
        message = "the query cannot be read"
        raise SchemaError(message) from error
    unknown = sorted(given.keys() - _KEYS)
    single = {key: values for key, values in given.items() if key != "type"}
    if unknown or any(len(values) > 1 for values in single.values()):
        message = f"query.{unknown[0][:80]}: not known" if unknown else "query: only `type` may be there twice"
        raise SchemaError(message, hint=f"there is {', '.join(sorted(_KEYS))}")
    one = {key: values[0] for key, values in single.items()}
    header = HTTPConnection(scope).headers.get("last-event-id")
    return Wish(tuple(given.get("type", ())), one.get("transfer"), one.get("model"), header or one.get("after"))


def _frame(told: Told) -> bytes:
    """One event; of a heartbeat only the id, which a browser keeps without telling anybody."""
    if told.type == "stream.heartbeat":
        return b": %b\nid: %b\n\n" % (told.type.encode(), told.id.encode())
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (told.id.encode(), told.type.encode(), told.body)


async def _tell(heard: AsyncIterator[Told], put: Callable[[Told], Awaitable[None]], receive: Receive) -> bool:
    """Put all that is heard; False when the client has left, or takes nothing any more."""
    telling = asyncio.ensure_future(_put_all(heard, put))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait([telling, leaving], return_when=asyncio.FIRST_COMPLETED)
        return telling.done() and telling.result()
    finally:
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)


async def _put_all(heard: AsyncIterator[Told], put: Callable[[Told], Awaitable[None]]) -> bool:
    async for told in heard:
        try:
            async with asyncio.timeout(TAKE_S):
                await put(told)
        except TimeoutError:
            return False
    return True


async def _left(receive: Receive) -> None:
    while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        pass
