"""One request and its one answer: waiting → open → over. Knows nothing about what is asked or how events look."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Protocol

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Chunk
from roundhouse.gateway import errors
from roundhouse.gateway.asgi import Headers, Send
from roundhouse.gateway.errors import of_waiting
from roundhouse.serving.admission.rules import Waiting

_JSON = (b"content-type", b"application/json")


class Events(Protocol):
    """How the events of a streamed answer look in one dialect. One object per stream: it may remember."""

    #: The headers of the answer.
    headers: Headers
    #: Something that clients skip.
    keep_alive: bytes

    def chunk(self, chunk: Chunk) -> bytes:
        """One piece of the answer."""

    def waiting(self, waiting: Waiting) -> bytes:
        """What the client waits for, as something that clients skip."""

    def end(self) -> bytes:
        """The answer is complete."""

    def error(self, envelope: bytes) -> bytes:
        """The answer is not, and why."""


class State(Enum):
    """How far the answer is."""

    WAITING = auto()
    OPEN = auto()
    OVER = auto()


class Exchange:
    """The way out. An error becomes a status while waiting, an event while open, and is too late when over."""

    __slots__ = ("_events", "_send", "_turn", "request_id", "state")

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.state = State.WAITING
        self._send = send
        self._events: Events | None = None
        #: Taken for whole streams only: pieces and keep-alives come from two tasks.
        self._turn: asyncio.Lock | None = None

    async def answer(self, status: int, headers: Headers, body: bytes, *, more: bool = False) -> None:
        """Send a whole JSON answer. With *more* the connection ends after it, once ``finish`` is called."""
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.request_id.encode("ascii")),
            *headers,
        ]
        if more:
            headers.append((b"connection", b"close"))
        self.state = State.OVER
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def finish(self) -> None:
        """End an answer that was sent with *more*."""
        await self._send({"type": "http.response.body", "body": b""})

    def will_stream(self, events: Events) -> None:
        """From now on an answer is a stream of *events*."""
        self._events = events
        self._turn = asyncio.Lock()

    async def open(self, headers: Headers) -> None:
        """Begin the stream, unless a keep-alive had to begin it already."""
        events, turn = self._stream()
        async with turn:
            await self._open(events, headers)

    async def write(self, chunk: Chunk) -> None:
        """Send one piece."""
        events, turn = self._stream()
        async with turn:
            await self._send({"type": "http.response.body", "body": events.chunk(chunk), "more_body": True})

    async def close(self) -> None:
        """End the stream: the answer is complete."""
        events, turn = self._stream()
        async with turn:
            self.state = State.OVER
            await self._send({"type": "http.response.body", "body": events.end()})

    async def keep_alive(self, waiting: Waiting | None = None) -> None:
        """Show that we are still there, and what we wait for.

        Once a client has waited for long, 200 is the better answer to its proxies.
        """
        events, turn = self._stream()
        async with turn:
            if self.state is State.OVER:
                return
            await self._open(events, [] if waiting is None else of_waiting(waiting.position, waiting.eta_s))
            sign = events.keep_alive if waiting is None else events.waiting(waiting)
            await self._send({"type": "http.response.body", "body": sign, "more_body": True})

    async def fail(self, error: RoundhouseError, *, more: bool = False) -> None:
        """Tell *error* in the way that is still possible."""
        if self.state is State.WAITING:
            body = errors.envelope(error, self.request_id)
            await self.answer(error.status, errors.headers(error), body, more=more)
        elif self.state is State.OPEN:
            events, turn = self._stream()
            async with turn:
                self.state = State.OVER
                body = events.error(errors.envelope(error, self.request_id))
                await self._send({"type": "http.response.body", "body": body})

    async def _open(self, events: Events, headers: Headers) -> None:
        if self.state is State.WAITING:
            self.state = State.OPEN
            headers = [*events.headers, (b"x-request-id", self.request_id.encode("ascii")), *headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    def _stream(self) -> tuple[Events, asyncio.Lock]:
        if self._events is None or self._turn is None:
            message = "this exchange is no stream"
            raise RuntimeError(message)
        return self._events, self._turn
