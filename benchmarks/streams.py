"""Many slow streams at once, and how much later each piece arrives through a gateway.

One event loop plays upstream and client, so that both read the same clock: every piece carries the moment at which
it was written. Raw protocols, because a client library's own delay would be measured as the gateway's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

_STAMP = re.compile(rb'"content":"(\d+)"')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = (
    '{{"id":"c","object":"chat.completion.chunk","created":1,"model":"mock","choices":'
    '[{{"index":0,"delta":{{"content":"{stamp}"}},"finish_reason":{finish}}}]}}'
)
_JSON = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n{body}"


@dataclass(frozen=True, slots=True)
class Shape:
    """How many streams, how fast, how long."""

    streams: int = 200
    rate: float = 50.0
    seconds: float = 6.0

    @property
    def pieces(self) -> int:
        """Pieces of one stream."""
        return int(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds from the upstream's write to the client's read."""

    p50: float
    p99: float
    #: The share of all pieces that arrived at all.
    arrived: float


class Upstream(asyncio.Protocol):
    """Answers with a stream that never hurries if asked for one, else with what *plain* has for the path."""

    def __init__(self, shape: Shape, plain: Mapping[str, str]) -> None:
        self._shape, self._plain = shape, plain
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Stop writing."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once the whole request is there."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._received.clear()
        if re.search(rb'"stream": ?true', body):
            self._write(_HEAD)
            self._step(0, asyncio.get_running_loop().time())
        else:
            content = self._plain[head.split(b" ")[1].decode()]
            self._write(_JSON.format(size=len(content), body=content).encode())

    def _step(self, number: int, due: float) -> None:
        last = number == self._shape.pieces
        event = _EVENT.format(stamp=time.perf_counter_ns(), finish='"stop"' if last else "null")
        data = f"data: {event}\n\n" + ("data: [DONE]\n\n" if last else "")
        end = "0\r\n\r\n" if last else ""
        self._write(f"{len(data):x}\r\n{data}\r\n{end}".encode())
        if not last:
            due += 1.0 / self._shape.rate
            self._timer = asyncio.get_running_loop().call_at(due, self._step, number + 1, due)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


class Client(asyncio.Protocol):
    """Sends one request and notes how late each piece is."""

    def __init__(self, request: bytes, delays: list[int]) -> None:
        self._request, self._delays = request, delays
        self._rest = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast(asyncio.Transport, transport).write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """No more will come."""
        if not self.over.done():
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Read every stamp that is complete."""
        now = time.perf_counter_ns()
        self._rest += data
        end = 0
        for found in _STAMP.finditer(self._rest):
            self._delays.append(now - int(found[1]))
            end = found.end()
        done = b"[DONE]" in self._rest
        self._rest = self._rest[end:] if end else self._rest[-4096:]
        if done and not self.over.done():
            self.over.set_result(None)


async def start_upstream(shape: Shape, plain: Mapping[str, str]) -> asyncio.Server:
    """Listen on a free port."""
    return await asyncio.get_running_loop().create_server(lambda: Upstream(shape, plain), "127.0.0.1", 0, backlog=1024)


async def measure(url: str, body: str, headers: Mapping[str, str], shape: Shape) -> Delays:
    """Open all streams within one second, so that their pieces are spread, and read them to their end."""
    place, loop = urlsplit(url), asyncio.get_running_loop()
    delays: list[int] = []
    lines = [f"{name}: {value}" for name, value in {"content-type": "application/json", **headers}.items()]
    head = ["POST /v1/chat/completions HTTP/1.1", f"host: {place.netloc}", f"content-length: {len(body)}", *lines]
    request = ("\r\n".join(head) + "\r\n\r\n" + body).encode()
    opened = []
    for _ in range(shape.streams):
        transport, client = await loop.create_connection(
            lambda: Client(request, delays), place.hostname or "", place.port or 0
        )
        opened.append((transport, client))
        await asyncio.sleep(1.0 / shape.streams)
    await asyncio.wait([client.over for _, client in opened], timeout=shape.seconds + 5.0)
    for transport, _ in opened:
        transport.close()
    await asyncio.sleep(0.1)
    return _summary(delays, shape)


def _summary(delays: list[int], shape: Shape) -> Delays:
    ordered = sorted(delays) or [0]
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 for share in (0.50, 0.99)]
    return Delays(at[0], at[1], len(delays) / (shape.streams * (shape.pieces + 1)))
