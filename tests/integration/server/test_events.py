"""Events over real sockets: what a stranger's client hears, who reads too slowly, and how it ends."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import uvicorn

from roundhouse.access.guard import Guard
from roundhouse.access.keys import Keyring
from roundhouse.api import create_api
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import ArtifactAdded
from roundhouse.server.process import _Server
from roundhouse.server.protocol import DeadlineProtocol
from roundhouse.telemetry.feed import Feed, FeedLimits
from roundhouse.testing.management_service import InMemoryManagement

pytestmark = pytest.mark.slow

HEAD = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
KEY = base64.b64encode(bytes(16))
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
)
KEPT = 16


@dataclass
class House:
    """A server, its feed, and a client of it."""

    port: int
    feed: Feed
    client: aiohttp.ClientSession
    server: _Server
    serving: asyncio.Task[None]

    async def ask(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request, byte for byte."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        return reader, writer

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.server.should_exit = True
        async with asyncio.timeout(10):
            await self.serving


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Listen on a port of this machine, and keep few events."""
    feed = Feed(SystemClock(), FeedLimits(kept=KEPT))
    api = create_api(InMemoryManagement(feed=feed), Guard(Keyring(b"pepper")).of_scope)
    config = uvicorn.Config(
        api,
        port=0,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=8,
    )
    server = _Server(config, feed.end)
    await server.start()
    serving = asyncio.create_task(server.serve_until_told())
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        house = House(port, feed, client, server, serving)
        yield house
        await house.stop()


async def test_a_websocket_of_somebody_else_is_understood(house: House) -> None:
    """A client that we have not written shakes hands, hears, pings, and says goodbye."""
    async with house.client.ws_connect("/api/v1/events?type=model") as socket:
        assert (await socket.receive_json())["type"] == "stream.ready"
        house.feed.publish(ArtifactAdded("a" * 70_000))
        assert len((await socket.receive_json())["data"]["model"]) == 70_000
        await socket.send_str("whatever")
        await socket.ping(b"there?")
        house.feed.publish(ArtifactAdded("b"))
        assert (await socket.receive_json())["data"] == {"model": "b"}
    assert socket.close_code == 1000


async def test_stopping_says_so_to_all_and_waits_for_nobody(house: House) -> None:
    """Both ways end with a last event and a clean end of the connection."""
    async with house.client.ws_connect("/api/v1/events") as socket, house.client.get("/api/v1/events") as streamed:
        await socket.receive_json()
        await streamed.content.readuntil(b"\n\n")
        await house.stop()
        last = (await socket.receive_json())["type"]
        rest = await streamed.content.read()
        assert (last, (await socket.receive()).type) == ("stream.closing", aiohttp.WSMsgType.CLOSE)
    assert b"event: stream.closing" in rest


async def flood(feed: Feed) -> None:
    """Publish more than sockets and buffers hold, without waiting for anybody."""
    for number in range(4000):
        feed.publish(ArtifactAdded(f"{number:01000}"))
        await asyncio.sleep(0)
    for _ in range(2 * KEPT):  # the one that could not be sent is followed by more than is kept
        feed.publish(ArtifactAdded("late"))


async def test_who_reads_too_slowly_is_dropped_with_a_word(house: House) -> None:
    """Publishing never waits; the last event of the slow one says why it is the last."""
    reader, writer = await house.ask(HEAD + b"Connection: close\r\n\r\n")
    await reader.readuntil(b"stream.ready")
    async with asyncio.timeout(20):
        await flood(house.feed)
        all_read = await reader.read(-1)
    writer.close()
    events = all_read.split(b"\n\n")
    assert b"event: stream.dropped" in events[-2]
    assert all_read.count(b"event: model.added") < 4000  # it was slow: some were not told
    assert not house.feed.heard.is_set()


async def test_a_slow_websocket_is_dropped_with_a_word(house: House) -> None:
    """The same for the other way."""
    async with house.client.ws_connect("/api/v1/events", max_msg_size=0) as socket:
        await socket.receive_json()
        protocol = socket._response.connection.protocol if socket._response.connection else None
        assert protocol is not None
        protocol.pause_reading()
        await flood(house.feed)
        protocol.resume_reading()
        texts = [json.loads(message.data) async for message in socket]
    assert texts[-1]["type"] == "stream.dropped"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Origin: https://evil.example\r\n", b"403"),
        (b"Authorization: Bearer rh-wrong\r\n", b"401"),
        (b"X-Forwarded-For: 203.0.113.9\r\n", b"401"),
        (b"Host: evil.example\r\n", b"403"),
    ],
)
@pytest.mark.parametrize("upgrade", [b"", UPGRADE])
async def test_whoever_is_not_known_is_refused_both_ways(
    house: House, head: bytes, status: bytes, upgrade: bytes
) -> None:
    """Another site, a wrong key, somebody behind a proxy, another name for us."""
    reader, writer = await house.ask(HEAD + head + upgrade + b"\r\n")
    async with asyncio.timeout(5):
        first = await reader.readline()
        await reader.readuntil(b"request_id")
    writer.close()
    assert first.split()[1] == status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + UPGRADE.replace(KEY, b"short") + b"\r\n", b"400"),
        (HEAD + UPGRADE.replace(b": 13", b": 8") + b"\r\n", b"400"),
        (HEAD.replace(b"GET", b"POST") + UPGRADE + b"\r\n", b"405"),
        (HEAD.replace(b"/api/v1/events", b"/api/v1/%ff%00") + UPGRADE + b"\r\n", b"404"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(house: House, request_: bytes, status: bytes) -> None:
    """As the protocol says."""
    reader, writer = await house.ask(request_)
    async with asyncio.timeout(5):
        answer = await reader.read(-1)
    writer.close()
    assert answer.split()[1] == status


async def test_a_client_that_sends_no_frames_is_told_why_and_closed(house: House) -> None:
    """Bytes that are no frame end the connection with the code for it."""
    reader, writer = await house.ask(HEAD + UPGRADE + b"\r\n")
    await reader.readuntil(b"stream.ready")
    writer.write(b"\x81\x05hello")
    async with asyncio.timeout(10):
        rest = await reader.read(-1)
    writer.close()
    assert b"\x88" in rest
    assert (1002).to_bytes(2, "big") in rest
