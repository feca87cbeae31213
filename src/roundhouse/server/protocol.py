"""HTTP/1.1 with a deadline for the request's head; uvicorn waits for it for ever (encode/uvicorn#157).

Knows nothing about bodies: their deadline and cap are the gateway's.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

#: Seconds from the first byte (or the connection) to the end of the headers.
HEAD_DEADLINE_S = 20.0
#: Bytes of names and values; more is an attack or a mistake.
HEAD_LIMIT = 64 * 1024


class JoiningTransport:
    """A transport that sends the head of an answer together with what follows it: one system call and one packet less.

    Uvicorn writes the head when the answer starts. What does not follow at once does not hold the head back.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send *data*, after the head that waits; hold it back if it is a head itself."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close, once what waits is sent."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transport does."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)


class DeadlineProtocol(HttpToolsProtocol):
    """Drops a connection whose head trickles in or does not end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that says nothing costs a socket."""
        super().connection_made(transport)
        self.transport = JoiningTransport(transport, self.loop)  # type: ignore[assignment]
        self._deadline = self.loop.call_later(HEAD_DEADLINE_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Arm the clock only when a head did not arrive in one piece, so that ordinary requests never pay for it."""
        super().data_received(data)
        if self._in_head and self._deadline is None and self._head_bytes and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_DEADLINE_S, self.transport.abort)

    def on_message_begin(self) -> None:
        """A new head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what the head weighs."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_LIMIT:
            self.transport.abort()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: stop the clock."""
        self._in_head, self._head_bytes = False, 0
        self._disarm()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, unless an answer is still on its way."""
        answering: RequestResponseCycle | None = self.cycle
        if answering is not None and not answering.response_complete:
            self.transport.abort()
            return
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
