"""The bytes behind a URL from an offset on. Knows nothing about hubs, plans or disks.

Redirects are followed by hand: every hop passes the guard, credentials go to their own origin and nowhere else, and
https never becomes http on the way.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from roundhouse.core.errors import NetworkError, PolicyError
from roundhouse.core.ports import ByteStream
from roundhouse.sources.connector import Guard, is_loopback, open_session
from roundhouse.sources.refusals import refusal

MAX_REDIRECTS = 8
#: Seconds that an answer of some kilobytes may take.
ANSWER_S = 15.0
_REMEMBERED = 256
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
#: Answers to HEAD that say nothing about GET; an address that was signed for GET refuses HEAD.
_GET_ONLY = {400, 401, 403, 405, 501}
#: What a storage answers to a signature that has run out.
_EXPIRED = {401, 403, 410}
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at a URL."""

    #: What people call it, for messages. The URL itself may be signed and stays out of them.
    name: str
    url: URL
    guard: Guard
    #: Headers for the URL's own origin only.
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class Validators:
    """What a source has shown to tell versions of its files apart: a changed file is not glued to an old one."""

    def __init__(self) -> None:
        self._versions: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """The version to ask for, if one is known."""
        return self._versions.get(key)

    def note(self, key: str, version: str | None) -> None:
        """Remember *version* if there is one."""
        if version is None:
            return
        self._versions[key] = version
        self._versions.move_to_end(key)
        while len(self._versions) > _REMEMBERED:
            self._versions.popitem(last=False)


@asynccontextmanager
async def open_range(
    remote: Remote, offset: int, validators: Validators, key: str, length: int | None = None
) -> AsyncIterator[ByteStream]:
    """The bytes of *remote* from *offset* on, *length* of them if given; all of them when the server cannot choose.

    Raises what `refusals` says, NetworkError when cut, PolicyError when a hop leads somewhere forbidden.
    """
    async with open_session(remote.guard) as session:
        with _network_errors(remote.name):
            headers = _range_headers(offset, length, validators.get(key))
            response = await _request(session, remote, headers)
            if response.status in _EXPIRED and response.url.origin() != remote.url.origin():
                response.close()  # a signed address that has run out: the origin signs another one
                response = await _request(session, remote, headers)
            if response.status == _NOT_SATISFIABLE and not _is_complete(response, offset):
                response.close()
                response = await _request(session, remote, _range_headers(0, None, None))
        try:
            stream = _stream(remote, response, offset, length)
            validators.note(key, stream.version)
            yield stream
        finally:
            response.close()


async def head(remote: Remote) -> Mapping[str, str] | None:
    """The headers of *remote* after all redirects; ``None`` when the server answers only GET.

    Raises what `refusals` says, NetworkError, PolicyError.
    """
    async with open_session(remote.guard) as session:
        with _network_errors(remote.name):
            response = await _request(session, remote, {}, method="HEAD")
        if response.status in _GET_ONLY:
            return None
        if response.status != _OK:
            raise refusal(response.status, response.headers, remote.name)
        return response.headers


@asynccontextmanager
async def ask(
    remote: Remote, headers: Mapping[str, str], *, method: str = "GET"
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of *remote* after all redirects, whatever its status; soon, or not at all.

    Raises NetworkError, PolicyError.
    """
    async with open_session(remote.guard) as session:
        with _network_errors(remote.name):
            async with asyncio.timeout(ANSWER_S):
                response = await _request(session, remote, headers, method=method)
                try:
                    yield response
                finally:
                    response.close()


def _range_headers(offset: int, length: int | None, version: str | None) -> dict[str, str]:
    if not offset and length is None:
        return {}
    last = "" if length is None else offset + length - 1
    return {"Range": f"bytes={offset}-{last}"} | ({"If-Range": version} if version else {})


async def _request(
    session: aiohttp.ClientSession, remote: Remote, headers: Mapping[str, str], *, method: str = "GET"
) -> aiohttp.ClientResponse:
    """The first answer that is no redirect."""
    url = remote.url
    for _ in range(MAX_REDIRECTS + 1):
        remote.guard.check_host(url.host or "")
        sent = {**headers, "Accept-Encoding": "identity"}
        if url.origin() == remote.url.origin():
            sent.update(remote.credentials)
        response = await session.request(method, url, headers=sent, allow_redirects=False)
        if response.status not in _REDIRECTS or "Location" not in response.headers:
            return response
        response.close()
        url = _next_hop(remote, url, response.headers["Location"])
    message = f"{remote.name}: redirected more than {MAX_REDIRECTS} times"
    raise NetworkError(message)


def _next_hop(remote: Remote, url: URL, location: str) -> URL:
    target = url.join(URL(location, encoded=True))
    plain = target.scheme == "http" and (url.scheme == "http" or is_loopback(target.host or ""))
    if target.scheme != "https" and not plain:
        message = f"{remote.name}: redirected from https to {target.scheme}"
        raise PolicyError(message, hint="that would let anybody on the way change the bytes")
    return target


def _stream(remote: Remote, response: aiohttp.ClientResponse, offset: int, length: int | None) -> ByteStream:
    """What *response* gives. Raises NetworkError when it is not the file, or not the part that was asked for."""
    if response.status == _NOT_SATISFIABLE:
        return ByteStream(offset, offset, _nothing())
    if response.status not in {_OK, _PARTIAL}:
        raise refusal(
            response.status, response.headers, remote.name, signed=response.url.origin() != remote.url.origin()
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _unusable(remote, "the source sends it compressed, though it was asked not to")
    if response.content_type == "text/html":
        raise _unusable(remote, "the source answered with a web page (a login page?)")
    version = version_of(response.headers)
    if response.status == _OK:
        return ByteStream(0, response.content_length, _pieces(remote, response), version=version)
    parts = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if parts is None or int(parts[1]) != offset:
        raise _unusable(remote, f"asked for bytes from {offset} on, the source sent others")
    total = None if parts[3] == "*" else int(parts[3])
    if length is not None:
        # A server may send less than it was asked for; what is more than that is left where it is.
        length = min(length, int(parts[2]) - offset + 1)
    return ByteStream(offset, total, _at_most(_pieces(remote, response), length), length, version)


def version_of(headers: Mapping[str, str]) -> str | None:
    """What tells these bytes from others: a strong ETag, else the date of the last change."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified") or None


def _unusable(remote: Remote, why: str) -> NetworkError:
    return NetworkError(f"{remote.name}: {why}")


def _is_complete(response: aiohttp.ClientResponse, offset: int) -> bool:
    """Whether "not satisfiable" means that there is nothing left."""
    size = _UNSATISFIED.fullmatch(response.headers.get("Content-Range", ""))
    return size is not None and int(size[1]) == offset


async def _pieces(remote: Remote, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _network_errors(remote.name):
        async for piece in response.content.iter_any():
            yield piece


async def _at_most(pieces: AsyncIterator[bytes], length: int | None) -> AsyncIterator[bytes]:
    left = sys.maxsize if length is None else length
    async for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left < 0:
            return


async def _nothing() -> AsyncIterator[bytes]:
    no_bytes: tuple[bytes, ...] = ()
    for piece in no_bytes:
        yield piece


@contextmanager
def _network_errors(name: str) -> Iterator[None]:
    """What went wrong on the way, as an error of ours."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        message = f"{name}: {_cause(error)}"
        raise NetworkError(message) from error


def _cause(error: Exception) -> str:
    """Why, without the URL: it may be signed."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} is not known"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was cut"
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return "no answer in time"
        case _:
            return f"the source's answer makes no sense ({type(error).__name__})"
