"""One POST, one whole answer, over connections that are kept: the hot path of requests that are not streamed.

Speaks HTTP/1.1 with llhttp's parser (httptools) and nothing around it; aiohttp does the same in four times the time and
stays for everything else (docs/decisions/0008). Knows nothing about dialects, or about what a status means.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import cast

import httptools
from yarl import URL

from roundhouse.core.errors import BackendError, ConfigError, DeadlineError, NetworkError

_MAX_BODY, _MAX_HEAD = 512 << 20, 64 << 10
#: Of an answer that is packed, which may be a thousandth of what comes out: as much as is allowed, and as is quick.
_MAX_UNPACKED, _UNPACKED_HERE = 64 << 20, 4 << 10
#: A kept connection that the server had just closed fails at once; one that fails later died with our request.
STALE_WITHIN_S = 0.1
#: Kept at most; more than a backend has slots would only lie around.
_MAX_IDLE = 256
_INFORMATIONAL = 200


class UnreachableError(NetworkError):
    """There was no connection, so nothing was sent."""

    hint = "is it running? see `roundhouse backends ls`"


class CutError(Exception):
    """The connection ended before the answer did."""


@dataclass(slots=True)
class Reply:
    """An answer. Header names are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Line(asyncio.Protocol):
    """One connection; carries one exchange at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._reply = Reply()
        self._pieces: list[bytes] = []
        self._size = self._head = 0
        self._sized = self._spoilt = False
        #: Whether it can carry another exchange.
        self.is_free = False

    async def exchange(self, request: bytes) -> Reply:
        """Send *request* and wait. Raises CutError, BackendError; whatever interrupts it ends the connection."""
        transport, self.is_free = self._transport, False
        if transport is None or transport.is_closing():
            raise CutError
        self._answer = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None
            self.is_free = self.is_free and not self._spoilt
            if not self.is_free:
                transport.abort()

    def close(self) -> None:
        """Let go of the socket."""
        if self._transport is not None:
            self._transport.close()

    # What follows is called by the event loop and by the parser.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        if self._answer is None:  # nobody asked: what speaks unasked is not to be trusted with the next request
            self.is_free = False
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BackendError(f"that is not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, which is how some servers say that the answer is."""
        self.is_free = False
        if self._reply.status and not self._sized and exc is None:
            self._done()
        else:
            self._fail(CutError(str(exc) if exc else "the server closed it"))

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody waits for must never be taken for the next request's."""
        if self._answer is None or self._answer.done():
            self._spoilt = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head."""
        self._head += len(name) + len(value)
        if self._head > _MAX_HEAD:
            self._fail(BackendError("the head of the answer is absurdly long"))
            return
        key = name.decode("latin-1").lower()
        self._sized = self._sized or key in {"content-length", "transfer-encoding"}
        self._reply.headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The whole head is there."""
        self._reply.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size > _MAX_BODY:
            self._fail(BackendError(f"the answer is larger than {_MAX_BODY} bytes"))
            return
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole; ``100 Continue`` and the like only announce it."""
        if self._reply.status < _INFORMATIONAL:
            self._reply = Reply()
            return
        transport = self._transport
        # A server that answers before it has read all of the request still has that to read.
        self.is_free = bool(self._parser.should_keep_alive() and transport and not transport.get_write_buffer_size())
        self._done()

    def _done(self) -> None:
        reply, self._reply = self._reply, Reply()
        reply.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size, self._head, self._sized = [], 0, 0, False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Poster:
    """All connections to one address. Raises ConfigError when that cannot be said in HTTP."""

    def __init__(self, url: URL, headers: dict[str, str], *, keep_alive: bool, connect_s: float) -> None:
        self._host, self._port = url.host or "", url.port or 80
        self._tls = url.scheme == "https"
        self._context: ssl.SSLContext | None = None
        self._connect_s = connect_s
        self._keep_alive = keep_alive
        head = {"Host": url.authority, **headers, "Connection": "keep-alive" if keep_alive else "close"}
        if not all(value.isascii() and value.isprintable() for value in head.values()):
            message = f"the key or the address of {self._host} holds characters that HTTP does not allow"
            raise ConfigError(message)
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self._rest = f" HTTP/1.1\r\n{lines}Content-Length: ".encode("latin-1")
        self._idle: deque[Line] = deque()

    async def post(self, path: bytes, body: bytes, timeout_s: float, extra: bytes = b"") -> Reply:
        """Send *body* to *path* and give back the whole answer; *extra* are header lines of this request alone.

        A kept connection that turns out to have been closed meanwhile costs a second try on a new one.
        Raises NetworkError, DeadlineError, BackendError.
        """
        request = b"POST %b%b%d\r\n%b\r\n%b" % (path, self._rest, len(body), extra, body)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(timeout_s):
                line = self._kept()
                if line is not None:
                    try:
                        return await self._exchange(line, request)
                    except CutError:
                        if loop.time() - started > STALE_WITHIN_S:
                            raise
                return await self._exchange(await self._connect(), request)
        except CutError as error:
            message = f"the connection was cut: {error}"
            raise NetworkError(message) from error
        except TimeoutError as error:
            message = f"no answer within {timeout_s:g} s"
            raise DeadlineError(message, hint="ask for less, or allow more time") from error

    def close(self) -> None:
        """Let go of all sockets that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, line: Line, request: bytes) -> Reply:
        reply = await line.exchange(request)
        if line.is_free:
            if self._keep_alive and len(self._idle) < _MAX_IDLE:
                self._idle.append(line)
            else:
                line.close()
        if "content-encoding" in reply.headers:
            # Unpacking much takes seconds, in which nobody else would be served.
            is_small = len(reply.body) <= _UNPACKED_HERE
            reply.body = _plain(reply) if is_small else await asyncio.to_thread(_plain, reply)
        return reply

    def _kept(self) -> Line | None:
        """A connection that is free and, as far as we know, alive: the one used last, which its server remembers."""
        while self._idle:
            line = self._idle.pop()
            if line.is_free:
                return line
        return None

    async def _connect(self) -> Line:
        loop = asyncio.get_running_loop()
        if self._tls and self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with asyncio.timeout(self._connect_s):
                _, line = await loop.create_connection(Line, self._host, self._port, ssl=self._context)
        except OSError as error:  # a TimeoutError is one
            reason = reason_of(error) or f"no connection within {self._connect_s:g} s"
            message = f"it cannot be reached: {reason}"
            raise UnreachableError(message) from error
        except UnicodeError as error:
            raise unnameable() from error
        return line


def unnameable() -> UnreachableError:
    """Why a host was not even looked up: Python says so with UnicodeError, also where all is ASCII."""
    return UnreachableError("it cannot be reached: no host can have that name", hint="correct its url")


def reason_of(error: OSError) -> str:
    """What the system says, without the address around it, which people see beside it."""
    if isinstance(error, ssl.SSLError) or error.errno is None or error.errno <= 0:  # those have numbers of their own
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _plain(reply: Reply) -> bytes:
    """The body of a server that compresses although it was asked not to. Raises BackendError."""
    encoding = reply.headers["content-encoding"].strip().lower()
    if encoding == "identity":
        return reply.body
    if encoding not in {"gzip", "deflate"}:
        message = f"the answer is in {encoding}, which nobody asked for"
        raise BackendError(message)
    try:
        inflater = zlib.decompressobj(wbits=47)
        plain = inflater.decompress(reply.body, _MAX_UNPACKED)
    except zlib.error as error:
        message = f"the answer cannot be unpacked: {error}"
        raise BackendError(message) from error
    if not inflater.eof:
        message = f"the answer is cut short, or larger than {_MAX_UNPACKED} bytes when unpacked"
        raise BackendError(message)
    return plain
