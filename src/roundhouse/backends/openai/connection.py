"""HTTP to one backend: its pooled connections, its time limits, and what their failures are called here.

Knows nothing about dialects; what the bytes mean is read in ``wire``.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from yarl import URL

from roundhouse.backends.openai.posting import STALE_WITHIN_S, Poster, UnreachableError, reason_of, unnameable
from roundhouse.backends.wire.failures import Failure, failure
from roundhouse.backends.wire.quirks import PLAIN, Quirks
from roundhouse.core.errors import BackendError, DeadlineError, NetworkError, RoundhouseError

#: What is read here is lists and words about itself, decoded while everybody waits; answers come by another way.
_MAX_ANSWER, _MAX_ERROR, _MAX_TIMEOUTS = 16 << 20, 64 << 10, 64
#: What the last few bytes of a finished stream are worth waiting for.
_ENDING_S = 0.05


@dataclass(frozen=True, slots=True)
class Terms:
    """How a backend is talked to."""

    #: Whether requests stay on this machine; ``None`` is told from the address.
    local: bool | None = None
    #: False for servers that hold a thread for each connection they keep (llama.cpp's).
    keep_alive: bool = True
    connect_s: float = 5.0
    #: Silence that is allowed once an answer has begun.
    idle_s: float = 120.0
    #: For the list of models, which people wait for: less than whoever asks for it waits, who would not hear the error.
    list_s: float = 4.0
    #: Which header the key goes into, and what stands before it there.
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    #: Sent with every request.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What it does otherwise than the dialect says.
    quirks: Quirks = PLAIN
    #: Reads an answer that is no success.
    read_failure: Failure = failure


class Connection:
    """The way to one backend. Sessions are made when they are first needed, because they belong to the running loop."""

    __slots__ = ("_fresh", "_headers", "_list_timeout", "_pooled", "_poster", "_terms", "_timeouts")

    def __init__(self, url: URL, api_key: str | None, terms: Terms) -> None:
        self._terms = terms
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "roundhouse"}
        self._headers |= terms.headers
        if api_key is not None:
            self._headers[terms.key_header] = f"{terms.key_prefix}{api_key}"
        self._poster = Poster(url, self._headers, keep_alive=terms.keep_alive, connect_s=terms.connect_s)
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._list_timeout = aiohttp.ClientTimeout(total=terms.list_s)
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def get(self, url: URL) -> aiohttp.ClientResponse:
        """Ask for something small. To be released by the caller."""
        session = self._pooled or self._connect()
        with _looked_up():
            return await session.get(url, timeout=self._list_timeout, allow_redirects=False)

    async def delete(self, url: URL, body: bytes) -> aiohttp.ClientResponse:
        """Ask for something to be gone. To be released by the caller."""
        session = self._pooled or self._connect()
        with _looked_up():
            return await session.delete(url, data=body, timeout=self._list_timeout, allow_redirects=False)

    async def whole(
        self,
        path: bytes,
        body: bytes,
        timeout_s: float,
        extra: Mapping[str, str] | None = None,
        heard: Callable[[Mapping[str, str]], None] | None = None,
    ) -> bytes:
        """Send *body* to *path*, with *extra* headers; the body of an answer that is a success, *heard* its headers.

        Raises:
            RoundhouseError: it is not; or NetworkError, DeadlineError.

        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in extra.items()).encode("ascii") if extra else b""
        reply = await self._poster.post(path, body, timeout_s, lines)
        if reply.status != HTTPStatus.OK:
            raise self._terms.read_failure(reply.status, reply.headers, reply.body[:_MAX_ERROR])
        if heard is not None:
            heard(reply.headers)
        return reply.body

    async def stream(
        self, url: URL, body: bytes, timeout_s: float, extra: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Send; once more, on a new connection, when the kept one turns out to have been closed meanwhile.

        With *extra* headers. To be released by the caller. *timeout_s* is for the first byte.
        """
        limits = self._limits(timeout_s)
        session = self._pooled or self._connect()
        started = asyncio.get_running_loop().time()
        try:
            with _looked_up():
                return await session.post(url, data=body, headers=extra, timeout=limits, allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            late = asyncio.get_running_loop().time() - started > STALE_WITHIN_S
            if late or not self._terms.keep_alive or isinstance(error, aiohttp.ClientConnectorError):
                raise
        if self._fresh is None:
            self._fresh = self._session(keep_alive=False)
        return await self._fresh.post(url, data=body, headers=extra, timeout=limits, allow_redirects=False)

    async def close(self) -> None:
        """Let go of all sockets."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None
        self._poster.close()

    def _connect(self) -> aiohttp.ClientSession:
        self._pooled = self._session(keep_alive=self._terms.keep_alive)
        return self._pooled

    def _session(self, *, keep_alive: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=not keep_alive),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )

    def _limits(self, timeout_s: float) -> aiohttp.ClientTimeout:
        """The same few limits again and again, so they are kept."""
        limits = self._timeouts.get(timeout_s)
        if limits is None:
            if len(self._timeouts) >= _MAX_TIMEOUTS:
                self._timeouts.clear()
            connect_s = min(self._terms.connect_s, timeout_s)
            limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=timeout_s)
            self._timeouts[timeout_s] = limits
        return limits


@contextmanager
def _looked_up() -> Iterator[None]:
    """Let a host that cannot be looked up be one that cannot be reached."""
    try:
        yield
    except UnicodeError as error:
        raise unnameable() from error


def is_loopback(url: str) -> bool:
    """Whether *url* is on this machine."""
    host = URL(url).host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def lost(error: Exception, timeout_s: float, *, begun: bool = False) -> RoundhouseError:
    """Why a connection did not bring what it should, as an error of ours."""
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return unreachable(error)
    if isinstance(error, aiohttp.ClientPayloadError):
        return NetworkError("the connection was cut in the middle of the answer")
    if not isinstance(error, TimeoutError):
        message = f"the connection was cut: {str(error) or type(error).__name__}"
        return NetworkError(message)
    if begun:
        return NetworkError("it fell silent in the middle of the answer")
    message = f"no answer within {timeout_s:g} s"
    return DeadlineError(message, hint="ask for less, or allow more time")


def unreachable(error: Exception) -> NetworkError:
    """Why a backend could not be asked at all."""
    if isinstance(error, TimeoutError):
        reason = "it does not answer"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = reason_of(error.os_error)
    else:
        reason = str(error) or type(error).__name__
    message = f"it cannot be reached: {reason}"
    return UnreachableError(message)


def allow_silence(response: aiohttp.ClientResponse, idle_s: float) -> None:
    """From now on so much silence and no more; it is the socket's limit, so a slow reader is not silence."""
    protocol = response.connection.protocol if response.connection else None
    if protocol is not None:
        protocol.read_timeout = idle_s
        # Without this the old limit would hold until the next byte, which may never come.
        protocol.start_timeout()


async def read_to_end(response: aiohttp.ClientResponse) -> None:
    """Take the few bytes after the last event, so that the connection can be used again."""
    try:
        async with asyncio.timeout(_ENDING_S):
            while not response.content.at_eof():
                await response.content.readany()
    except (TimeoutError, aiohttp.ClientError):
        return  # the answer is complete; the connection just will not be kept


async def read(response: aiohttp.ClientResponse, read_failure: Failure = failure) -> bytes:
    """The whole body of a response that is a success.

    Raises:
        RoundhouseError: it is not, or is absurdly large.

    """
    if response.status != HTTPStatus.OK:
        raise await _failure(response, read_failure)
    # What its length says is of the packed bytes, where it compresses.
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MAX_ANSWER:
            message = f"the answer is larger than {_MAX_ANSWER} bytes"
            raise BackendError(message)
    return bytes(body)


async def _failure(response: aiohttp.ClientResponse, read_failure: Failure) -> RoundhouseError:
    """The error that a response stands for; of a long body, its beginning is enough."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MAX_ERROR:
            break
    return read_failure(response.status, response.headers, bytes(body))
