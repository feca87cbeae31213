"""WebSockets (RFC 6455) for ASGI, as far as a server needs that only talks: what a client says is read and let go.

Knows nothing about what is told. Uvicorn has none of its own, and the two packages that it would use do much more.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from uvicorn.server import ServerState

from roundhouse.server.frames import CLOSE, PING, PONG, TEXT, FrameError, Frames, closing, frame

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
#: Seconds that a client has to close its side once we have.
CLOSE_S = 3.0
LAST_WORD_S = 0.5
GOING_AWAY, UNEXPECTED = 1001, 1011


class WebSocket(asyncio.Protocol):
    """One connection, from the request that asks for it to its end."""

    def __init__(self, transport: asyncio.Transport, scope: Mapping[str, Any], state: ServerState) -> None:
        self._transport, self._state = transport, state
        self.scope = _scope(scope)
        self._frames = Frames()
        self._said: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self._said.put_nowait({"type": "websocket.connect"})
        self._writable = asyncio.Event()
        self._writable.set()
        self._accepted = self._ended = False
        self._deadline: asyncio.TimerHandle | None = None

    @classmethod
    def take(
        cls, transport: asyncio.Transport, scope: Mapping[str, Any], config: uvicorn.Config, state: ServerState
    ) -> None:
        """Go on with a connection whose request asked for a WebSocket."""
        socket = cls(transport, scope, state)
        transport.set_protocol(socket)
        state.connections.add(socket)  # type: ignore[arg-type]  # asked to shut down, and nothing else
        if (trouble := _trouble(scope)) is not None:
            socket._refuse(trouble)
            return
        task = asyncio.get_running_loop().create_task(socket._run(config))
        task.add_done_callback(state.tasks.discard)
        state.tasks.add(task)

    def data_received(self, data: bytes) -> None:
        """Answer pings and the end; let go of the rest."""
        if not self._accepted:  # a client that waits for our answer, as it must, has said nothing yet
            return
        try:
            for opcode, payload in self._frames.feed(data):
                if opcode == PING and not self._ended and self._writable.is_set():
                    self._transport.write(frame(PONG, payload))
                elif opcode == CLOSE:
                    self._close(payload[:2])
                    self._transport.close()
        except FrameError as error:
            self._close(closing(error.code, str(error)))

    def eof_received(self) -> None:
        """The client will say nothing more, so it cannot close as it should: that is the end."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the application."""
        self._state.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        self._ended = True
        self._writable.set()
        self._said.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def pause_writing(self) -> None:
        """The client does not read: read nothing either, so that it cannot make us owe it answers."""
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writable.set()
        self._transport.resume_reading()

    def shutdown(self) -> None:
        """End it, because the server does; the application may say a last word."""
        asyncio.get_running_loop().call_later(LAST_WORD_S, self._close, closing(GOING_AWAY, "Roundhouse is stopping"))

    async def _run(self, config: uvicorn.Config) -> None:
        try:
            await config.loaded_app(self.scope, self._said.get, self._send)
        finally:
            if self._accepted:
                self._close(closing(UNEXPECTED, "it ended unexpectedly"))
            elif not self._ended:
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._writable.wait()
        if self._ended and message["type"] != "websocket.http.response.body":
            return
        match message["type"]:
            case "websocket.accept":
                self._accepted = True
                accept = _accept_of(dict(self.scope["headers"])[b"sec-websocket-key"])
                head = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
                self._head(101, [*head, *message.get("headers", ())])
            case "websocket.send":
                self._transport.write(frame(TEXT, message["text"].encode()))
            case "websocket.close" if self._accepted:
                self._close(closing(message.get("code", 1000), message.get("reason") or ""))
            case "websocket.http.response.start":
                self._ended = True
                self._head(message["status"], [*message["headers"], (b"connection", b"close")])
            case "websocket.http.response.body":
                self._transport.write(message.get("body", b""))
                if not message.get("more_body", False):
                    self._transport.close()
            case _:
                self._refuse(HTTPStatus.FORBIDDEN)

    def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%b: %b\r\n" % header for header in headers]
        self._transport.write(b"".join([*lines, b"\r\n"]))

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer without a word: whoever asks like that reads no envelope."""
        self._ended = True
        self._head(status, [(b"content-length", b"0"), (b"connection", b"close"), (b"sec-websocket-version", b"13")])
        self._transport.close()

    def _close(self, payload: bytes) -> None:
        """Say that it is over, once, and wait a moment for the client to say so too."""
        if not self._accepted or self._ended:
            return
        self._ended = True
        self._writable.set()
        self._transport.write(frame(CLOSE, payload))
        self._said.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self._deadline = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)


def _scope(of: Mapping[str, Any]) -> dict[str, Any]:
    """The scope of a WebSocket, from that of the request which asks for it."""
    url = httptools.parse_url(of["url"])
    return {
        **{key: of[key] for key in ("asgi", "http_version", "server", "client", "root_path", "headers", "state")},
        "type": "websocket",
        "scheme": "wss" if of["scheme"] == "https" else "ws",
        "path": urllib.parse.unquote(url.path.decode("latin-1")),
        "raw_path": url.path,
        "query_string": url.query or b"",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


def _trouble(scope: Mapping[str, Any]) -> HTTPStatus | None:
    """Why that is no request for a WebSocket; ``None`` when it is."""
    headers = dict(scope["headers"])
    if scope["method"] != "GET" or not _is_key(headers.get(b"sec-websocket-key", b"")):
        return HTTPStatus.BAD_REQUEST
    return None if headers.get(b"sec-websocket-version") == b"13" else HTTPStatus.UPGRADE_REQUIRED


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _accept_of(key: bytes) -> bytes:
    """The proof that we know what a WebSocket is."""
    return base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
