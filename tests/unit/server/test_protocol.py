"""The head of a request has a deadline and a limit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from roundhouse.server import protocol


async def answer(_scope: object, _receive: object, send: object) -> None:
    """The smallest application."""
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server whose patience is short."""
    monkeypatch.setattr(protocol, "HEAD_DEADLINE_S", 0.2)
    config = uvicorn.Config(answer, port=0, http=protocol.DeadlineProtocol, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Send *pieces* and read until the server closes or answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(64), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_whole_head_is_answered(port: int) -> None:
    """An ordinary request never meets the clock."""
    assert (await exchange(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")).startswith(b"HTTP/1.1 204")


@pytest.mark.slow
@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: 1"])
async def test_a_head_that_does_not_end_is_dropped(port: int, head: bytes) -> None:
    """Silence and half a head both cost the client its connection."""
    assert await exchange(port, head) == b""


async def test_a_head_that_is_too_long_is_dropped(port: int) -> None:
    """Headers beyond the limit are never collected."""
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(80))
    assert await exchange(port, b"GET / HTTP/1.1\r\nhost: x\r\n" + lines) == b""
