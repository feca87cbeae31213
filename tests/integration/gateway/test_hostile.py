"""Bytes that no well-meaning client sends, over a real socket: each gets a documented error, and the server goes on."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from roundhouse.gateway import Limits
from roundhouse.testing.serving import ScriptedServing

pytestmark = pytest.mark.slow

GOOD = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}).encode()
Answer = tuple[int, dict[str, object]]


def head(url: str, *lines: str, path: str = "/v1/chat/completions", host: str | None = None) -> bytes:
    """The head of a request."""
    hosts = [f"Host: {urlsplit(url).netloc if host is None else host}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *hosts, *lines, "", ""]).encode("latin-1")


def connect(url: str) -> socket.socket:
    """A connection that does not wait for ever."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=20)


def answer_on(connection: socket.socket) -> Answer:
    """The status and the error object of one answer."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
        body = json.loads(stream.read(int(headers["content-length"])))
    return status, body.get("error", {})


def ask(url: str, request: bytes) -> Answer:
    """Send some bytes, read one answer."""
    with connect(url) as connection:
        connection.sendall(request)
        return answer_on(connection)


def post(url: str, body: bytes, *lines: str, host: str | None = None) -> Answer:
    """Send a whole request."""
    return ask(url, head(url, f"Content-Length: {len(body)}", *lines, host=host) + body)


@pytest.fixture
def url(url: str) -> Iterator[str]:
    """An address that still answers when the test is over."""
    yield url
    assert post(url, GOOD)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\x00",
        b"\xff\xfe",
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"model":"tiny","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"9" * 1_000_000,
        b'{"model":5}',
        b"null",
        GOOD.replace(b'"hi"', b"[[]]"),
        GOOD.replace(b'"tiny"', b"{}"),
        GOOD[:-1] + b',"tools":[' + b"{}," * 10_000 + b"{}]}",
    ],
)
def test_bad_bodies(body: bytes, url: str, serving: ScriptedServing) -> None:
    """A sentence, a code, no 5xx, and nothing behind us ever sees it."""
    status, error = post(url, body)
    assert (status, error["code"], error["type"]) == (422, "E_SCHEMA", "invalid_request_error")
    assert not serving.requests


def test_fifty_megabytes_that_were_announced(url: str, serving: ScriptedServing) -> None:
    """Refused before they come; a client that sends them all the same can read why."""
    status, error = post(url, b"x" * 50_000_000)
    assert (status, error["code"]) == (413, "E_SCHEMA")
    assert not serving.requests


def test_fifty_megabytes_in_chunks(url: str) -> None:
    """Nobody said how large it would be."""
    with connect(url) as connection:
        connection.sendall(head(url, "Transfer-Encoding: chunked"))
        piece = b"%x\r\n%b\r\n" % (1_000_000, b"x" * 1_000_000)
        refused = 0
        for _ in range(50):
            try:
                connection.sendall(piece)
            except OSError:
                refused += 1
        assert answer_on(connection)[0] == 413


def test_a_body_that_trickles(url: str, serving: ScriptedServing) -> None:
    """One byte now and then is told that it is too slow, and hung up on."""
    with connect(url) as connection:
        connection.sendall(head(url, f"Content-Length: {len(GOOD)}") + GOOD[:1])
        status, error = answer_on(connection)
        assert (status, error["type"]) == (408, "timeout_error")
        assert connection.recv(1) == b""
    assert not serving.requests


def test_many_that_trickle_harm_nobody(url: str) -> None:
    """A hundred slow clients, and the others do not notice."""
    with ExitStack() as opened:
        for _ in range(100):
            slow = opened.enter_context(connect(url))
            slow.sendall(head(url, "Content-Length: 100") + b"{")
        start = time.perf_counter()
        assert post(url, GOOD)[0] == 200
        assert time.perf_counter() - start < 0.5


def test_four_megabytes_byte_by_byte(serve: Callable[..., str], serving: ScriptedServing) -> None:
    """A chunk per byte costs the server no more than the body."""
    url = serve(Limits(receive_s=20.0))
    body = GOOD[:-1] + b" " * 200_000 + b"}"
    pieces = b"".join(b"1\r\n%b\r\n" % bytes([byte]) for byte in body)
    assert ask(url, head(url, "Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n")[0] == 200
    assert serving.requests[0].body == body


@pytest.mark.parametrize("key", ["rh-", "rh-AAAAAAAA-x", "rh-AAAAAAAA-" + "a" * 49, "rh-' OR '1'='1", "rh-" + "é" * 50])
def test_wrong_keys(key: str, url: str, serving: ScriptedServing) -> None:
    """Also from this machine."""
    status, error = post(url, GOOD, f"Authorization: Bearer {key}")
    assert (status, error["code"]) == (401, "E_AUTH")
    assert not serving.requests


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1@evil.example", "[::1", "127.0.0.1.evil.example:80", "a/b"]
)
def test_foreign_hosts(host: str, url: str, serving: ScriptedServing) -> None:
    """No rebinding."""
    status, error = post(url, GOOD, host=host)
    assert (status, error["code"]) == (403, "E_PERM")
    assert not serving.requests


@pytest.mark.parametrize(
    "line", ["Host: evil.example", "Host: 127.0.0.1", "Origin: http://evil.example", "Origin: null"]
)
def test_a_second_host_and_a_foreign_origin(line: str, url: str, serving: ScriptedServing) -> None:
    """What two parsers might read differently is refused."""
    status, error = post(url, GOOD, line)
    assert (status, error["code"]) == (403, "E_PERM")
    assert not serving.requests


@pytest.mark.parametrize("target", ["http://evil.example/v1/chat/completions", "//evil.example/v1/models"])
def test_absolute_targets_do_not_change_the_host(target: str, url: str) -> None:
    """The header is what counts, wherever else a name stands."""
    request = head(url, f"Content-Length: {len(GOOD)}", path=target, host="evil.example") + GOOD
    assert ask(url, request)[0] in {403, 404}


def test_a_proxy_has_no_user(url: str) -> None:
    """What was passed on needs a key."""
    assert post(url, GOOD, "X-Forwarded-For: 127.0.0.1")[0] == 401


def test_a_client_that_leaves_frees_the_upstream(url: str, serving: ScriptedServing) -> None:
    """Within a second of hanging up."""
    serving.gate.clear()
    with connect(url) as connection:
        connection.sendall(head(url, f"Content-Length: {len(GOOD)}") + GOOD)
        _until(serving.asked.is_set)
    _until(serving.cancelled.is_set)
    serving.gate.set()


def test_half_a_request_is_nobodys(url: str, serving: ScriptedServing) -> None:
    """A client that hangs up in its own body leaves nothing behind."""
    with connect(url) as connection:
        connection.sendall(head(url, "Content-Length: 100") + b"{")
    assert not serving.requests


def _until(condition: Callable[[], bool]) -> None:
    """Wait for something in the server's thread, a second at most."""
    tick = threading.Event()
    deadline = time.perf_counter() + 1.0
    while not condition():
        assert time.perf_counter() < deadline
        tick.wait(0.005)
