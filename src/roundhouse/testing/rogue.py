"""A web server with one file, written on bare sockets so that it can break any rule of HTTP, and count how often.

Knows nothing about models or hubs. What is planted strikes the next answers in order; after that it behaves.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_HTML = b"<html><form action='/login'>Welcome to the airport's network</form></html>"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize %d\n"
_ETAG, _OTHER_ETAG = '"one"', '"two"'


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    writer: asyncio.StreamWriter
    size: int

    @property
    def span(self) -> tuple[int, int] | None:
        """First byte and the one after the last, if a part was asked for."""
        found = _RANGE.fullmatch(self.headers.get("range", ""))
        if found is None:
            return None
        return int(found[1]), min(self.size, int(found[2]) + 1 if found[2] else self.size)

    async def say(self, status: str, headers: Mapping[str, str], body: bytes = b"", *, version: str = "1.1") -> None:
        """Answer with exactly this."""
        lines = [f"HTTP/{version} {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode() + (b"" if self.method == "HEAD" else body))
        await self.writer.drain()


Answer = Callable[[Asked], Awaitable[None]]


@dataclass(slots=True)
class Misdeed:
    """Something planted."""

    answer: Answer
    times: int
    #: Only for these requests; HEAD counts as everything else.
    when: Callable[[Asked], bool] = lambda asked: asked.method == "GET"
    fired: int = 0


@dataclass(slots=True)
class Rogue:
    """The server. What it does wrong is named like the method that does it."""

    data: bytes
    digest: str
    path: str = "/model.gguf"
    misdeeds: list[Misdeed] = field(default_factory=list)
    asked: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, whoever is still being answered."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            message = "not started"
            raise RuntimeError(message)
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def plant(self, answer: Answer, *, times: int = 1, when: Callable[[Asked], bool] | None = None) -> Misdeed:
        """Let *answer* be the next *times* answers to such requests."""
        misdeed = Misdeed(answer, times) if when is None else Misdeed(answer, times, when)
        self.misdeeds.append(misdeed)
        return misdeed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer one request; the connection ends with it."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        asked = Asked(method, path, headers, writer, len(self.data))
        self.asked += 1
        for misdeed in self.misdeeds:
            if misdeed.fired < misdeed.times and misdeed.when(asked):
                misdeed.fired += 1
                return await misdeed.answer(asked)
        return await self.behave(asked)

    def head(self, length: int, **more: str) -> dict[str, str]:
        """Headers of an ordinary answer; ``Content_Range`` is written ``Content-Range``."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length), "ETag": _ETAG}
        return headers | {name.replace("_", "-"): value for name, value in more.items()} | {"Connection": "close"}

    async def behave(self, asked: Asked, *, etag: str = _ETAG) -> None:
        """Answer as RFC 9110 wants it, ranges and If-Range included."""
        span = asked.span
        if span is None or asked.headers.get("if-range", etag) != etag:
            return await asked.say("200 OK", self.head(len(self.data), ETag=etag), self.data)
        begin, end = span
        if begin >= len(self.data):
            return await self.not_satisfiable(asked)
        where = f"bytes {begin}-{end - 1}/{len(self.data)}"
        headers = self.head(end - begin, Content_Range=where, ETag=etag)
        return await asked.say("206 Partial Content", headers, self.data[begin:end])

    async def not_satisfiable(self, asked: Asked) -> None:
        """Say 416, though there is something there."""
        await asked.say("416 Range Not Satisfiable", self.head(0, Content_Range=f"bytes */{len(self.data)}"))

    def status(self, line: str, **headers: str) -> Answer:
        """Make an answer of a status line alone."""

        async def answer(asked: Asked) -> None:
            await asked.say(line, self.head(0, **headers))

        return answer

    def cut(self, after: int) -> Answer:
        """Promise everything that was asked for, send *after* bytes of it, and end politely."""

        async def answer(asked: Asked) -> None:
            begin, end = asked.span or (0, len(self.data))
            line, where = "200 OK", {}
            if asked.span is not None:
                line, where = "206 Partial Content", {"Content_Range": f"bytes {begin}-{end - 1}/{len(self.data)}"}
            await asked.say(line, self.head(end - begin, **where), self.data[begin:end][:after])

        return answer

    async def reset(self, asked: Asked) -> None:
        """Send half, then RST."""
        await self.cut(len(self.data) // 2)(asked)
        self._abort(asked)

    async def hang_up(self, asked: Asked) -> None:
        """RST instead of an answer."""
        self._abort(asked)

    def _abort(self, asked: Asked) -> None:
        raw: socket.socket = asked.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asked.writer.transport.abort()

    async def ignore_range(self, asked: Asked) -> None:
        """Send the whole file as 200, whatever part was asked for."""
        await asked.say("200 OK", self.head(len(self.data)), self.data)

    def lying_range(self, *, shift: int = 0, total: int = 0) -> Answer:
        """Send the right bytes of a part under a wrong start or a wrong total."""

        async def answer(asked: Asked) -> None:
            begin, end = asked.span or (0, len(self.data))
            where = f"bytes {begin + shift}-{end - 1 + shift}/{len(self.data) + total}"
            await asked.say("206 Partial Content", self.head(end - begin, Content_Range=where), self.data[begin:end])

        return answer

    async def another_version(self, asked: Asked) -> None:
        """Honour If-Range for a file that has another ETag now: the whole of it comes, as 200."""
        await self.behave(asked, etag=_OTHER_ETAG)

    async def glued_version(self, asked: Asked) -> None:
        """Ignore If-Range: a part of another file comes as 206, under another ETag."""
        begin, end = asked.span or (0, len(self.data))
        where = f"bytes {begin}-{end - 1}/{len(self.data)}"
        body = bytes(255 - byte for byte in self.data[begin:end])
        await asked.say("206 Partial Content", self.head(len(body), Content_Range=where, ETag=_OTHER_ETAG), body)

    async def too_long(self, asked: Asked) -> None:
        """Send the whole file and some more, and count it as the file's length."""
        await asked.say("200 OK", self.head(len(self.data) + 5000), self.data + b"x" * 5000)

    async def no_length(self, asked: Asked) -> None:
        """Let the end of the connection be the end of the file."""
        await asked.say("200 OK", {"Content-Type": "application/octet-stream", "Connection": "close"}, self.data)

    async def old(self, asked: Asked) -> None:
        """HTTP/1.0, without ranges."""
        await asked.say("200 OK", {"Content-Length": str(len(self.data))}, self.data, version="1.0")

    async def chunked_cut(self, asked: Asked) -> None:
        """End a chunked answer in the middle of a chunk."""
        headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        await asked.say("200 OK", headers, b"100000\r\n" + self.data[:700_000])

    async def gzip(self, asked: Asked) -> None:
        """Compress what was asked for as it is."""
        await asked.say("200 OK", self.head(20, Content_Encoding="gzip"), b"\x1f\x8b" + b"\0" * 18)

    async def empty(self, asked: Asked) -> None:
        """No bytes at all, said with confidence."""
        await asked.say("200 OK", self.head(0))

    async def portal(self, asked: Asked) -> None:
        """The page of an airport, under 200."""
        await asked.say("200 OK", self.head(len(_HTML), Content_Type="text/html; charset=utf-8"), _HTML)

    async def pointer(self, asked: Asked) -> None:
        """The text that Git LFS keeps in the place of a file."""
        body = _POINTER % (self.digest.encode(), len(self.data))
        await asked.say("200 OK", self.head(len(body), Content_Type="text/plain"), body)

    async def wrong_bytes(self, asked: Asked) -> None:
        """Flip one bit of what is sent."""
        begin, end = asked.span or (0, len(self.data))
        body = bytearray(self.data[begin:end])
        body[len(body) // 2] ^= 1
        line, where = "200 OK", {}
        if asked.span is not None:
            line, where = "206 Partial Content", {"Content_Range": f"bytes {begin}-{end - 1}/{len(self.data)}"}
        await asked.say(line, self.head(len(body), **where), bytes(body))

    async def garbage(self, asked: Asked) -> None:
        """Something that is not HTTP."""
        asked.writer.write(b"\x16\x03\x01 SSH-2.0-what\r\n\r\n")
        await asked.writer.drain()

    async def endless_head(self, asked: Asked) -> None:
        """Headers that never end, as long as somebody reads them."""
        asked.writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            asked.writer.write(f"X-Padding-{number}: {'x' * 100}\r\n".encode())
            await asked.writer.drain()

    async def silent(self, asked: Asked) -> None:
        """Promise everything, send a little, and say nothing more."""
        await self.cut(100_000)(asked)
        await asyncio.Event().wait()

    async def mute(self, asked: Asked) -> None:
        """Take the request and say nothing."""
        await asked.writer.drain()
        await asyncio.Event().wait()
