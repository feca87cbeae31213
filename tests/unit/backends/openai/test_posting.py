"""One POST, one whole answer, against a server that says exactly what the test wants, byte by byte."""

import asyncio
import errno
import gzip
import random
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from yarl import URL

from roundhouse.backends.openai.posting import Poster, reason_of
from roundhouse.core.errors import BackendError, ConfigError, DeadlineError, NetworkError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HANG_UP = b"hang up"


@dataclass
class Scripted:
    """A server that answers each request with the next of its scripts: pieces to send, ``HANG_UP`` to close."""

    scripts: list[Sequence[bytes]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until one side has had enough."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                self.asked.set()
                for piece in self.scripts.pop(0):
                    if piece is HANG_UP:
                        return
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """It, listening."""
    scripted = Scripted()
    listening = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = listening.sockets[0].getsockname()[1]
    yield scripted
    listening.close()


@pytest.fixture
async def poster(server: Scripted) -> AsyncIterator[Poster]:
    """The way to it."""
    way = Poster(URL(f"http://127.0.0.1:{server.port}"), {"X-Key": "k"}, keep_alive=True, connect_s=1)
    yield way
    way.close()


async def post(poster: Poster, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """Post something small."""
    reply = await poster.post(b"/v1/x?y", b"{}", timeout_s)
    return reply.status, reply.body


async def test_the_request_says_all_it_should(server: Scripted, poster: Poster) -> None:
    """Path, host, headers, length and body go out as one message."""
    server.scripts = [[OK]]
    assert (200, b"{}") == await post(poster)
    head, body = server.requests[0].split(b"\r\n\r\n")
    assert b"{}" == body
    assert {b"POST /v1/x?y HTTP/1.1", b"Host: 127.0.0.1:%d" % server.port, b"X-Key: k"} <= set(head.split(b"\r\n"))


async def test_a_connection_is_kept(server: Scripted, poster: Poster) -> None:
    """Three exchanges, one connection."""
    server.scripts = [[OK], [OK], [OK]]
    assert [(200, b"{}")] * 3 == [await post(poster) for _ in range(3)]
    assert 1 == server.connections


async def test_a_connection_that_was_closed_meanwhile_costs_a_second_try(server: Scripted, poster: Poster) -> None:
    """What the server dropped while nobody looked is not the client's problem."""
    server.scripts = [[OK], [HANG_UP], [OK]]
    assert [(200, b"{}")] * 2 == [await post(poster) for _ in range(2)]
    assert 3 == len(server.requests)


async def test_a_new_connection_that_is_cut_is_not_tried_again(server: Scripted, poster: Poster) -> None:
    """The request may have been what killed it."""
    server.scripts = [[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", HANG_UP]]
    with pytest.raises(NetworkError, match="cut"):
        await post(poster)
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde",
    ],
    ids=["chunked", "continued", "closing"],
)
async def test_any_split_of_the_bytes_is_the_same_answer(server: Scripted, poster: Poster, answer: bytes) -> None:
    """Where packets end means nothing."""
    splits = range(1, len(answer))
    server.scripts = [[answer[:at], answer[at:]] for at in splits]
    assert {(200, b"abcde")} == {await post(poster) for _ in splits}


async def test_an_answer_may_end_with_the_connection(server: Scripted, poster: Poster) -> None:
    """HTTP/1.0 servers say neither length nor chunks."""
    server.scripts = [[b"HTTP/1.0 200 OK\r\n\r\nabc", HANG_UP]]
    assert (200, b"abc") == await post(poster)


@pytest.mark.parametrize("content", [b"hello", random.Random(0).randbytes(8 << 10)])
async def test_what_was_compressed_unasked_is_unpacked(server: Scripted, poster: Poster, content: bytes) -> None:
    """Some proxies compress whatever one says; much of it is unpacked beside the loop."""
    packed = gzip.compress(content)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    server.scripts = [[head + packed]]
    assert (200, content) == await post(poster)


async def test_a_little_that_unpacks_to_very_much_is_refused(server: Scripted, poster: Poster) -> None:
    """A kilobyte may hold a megabyte, and nobody asked for it."""
    packed = gzip.compress(bytes(65 << 20))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    server.scripts = [[head + packed, HANG_UP]]
    with pytest.raises(BackendError, match="larger than"):
        await post(poster)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * 70_000),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["no http", "long head", "unknown encoding", "broken encoding"],
)
async def test_nonsense_is_the_backends_fault(server: Scripted, poster: Poster, answer: bytes) -> None:
    """Whatever it says, the error is ours."""
    server.scripts = [[answer, HANG_UP]]
    with pytest.raises(BackendError):
        await post(poster)


async def test_a_deadline_ends_the_connection(server: Scripted, poster: Poster) -> None:
    """A late answer must not be taken for the answer to the next request."""
    server.scripts = [[], [OK]]
    with pytest.raises(DeadlineError):
        await post(poster, timeout_s=0.05)
    await asyncio.wait_for(server.closed.wait(), 5)
    assert (200, b"{}") == await post(poster)
    assert 2 == server.connections


async def test_cancelling_ends_the_connection(server: Scripted, poster: Poster) -> None:
    """The backend notices that nobody waits any more."""
    server.scripts = [[]]
    task = asyncio.create_task(post(poster))
    await asyncio.wait_for(server.asked.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.closed.wait(), 5)


async def test_bytes_that_nobody_asked_for_end_the_connection(server: Scripted, poster: Poster) -> None:
    """What a server says on its own must not become the answer to the next request."""
    server.scripts = [[OK, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n?"], [OK]]
    assert (200, b"{}") == await post(poster)
    await asyncio.wait_for(server.closed.wait(), 5)
    assert (200, b"{}") == await post(poster)


async def test_nobody_there_is_unreachable(server: Scripted) -> None:
    """A refused connection says so, with a hint."""
    poster = Poster(URL("http://127.0.0.1:1"), {}, keep_alive=True, connect_s=1)
    with pytest.raises(NetworkError, match=r"cannot be reached: Connection refused$"):
        await post(poster)
    assert not server.requests


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
        ),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        (TimeoutError(), ""),
    ],
)
def test_what_the_system_says(error: OSError, says: str) -> None:
    """Its words, without tuples and numbers."""
    assert says == reason_of(error)


def test_a_key_that_would_end_its_header_is_refused() -> None:
    """No line of a configuration becomes a line of a request."""
    with pytest.raises(ConfigError):
        Poster(URL("http://h"), {"Authorization": "Bearer a\r\nX-Evil: 1"}, keep_alive=True, connect_s=1)
