import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roundhouse.storage.caches.valkey import ValkeyCache
from roundhouse.testing.clock import FakeClock


@asynccontextmanager
async def _server(answer: bytes | None) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that says *answer* to everything, or nothing; and its connections."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while await reader.read(65_536):
            if answer is not None:
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", connections


async def test_a_server_that_is_away_is_a_miss() -> None:
    """Nobody hears an error."""
    cache = ValkeyCache("redis://127.0.0.1:1/0", FakeClock())
    await cache.put("me", {"key": b"x"}, 60.0)
    assert [None] == list(await cache.get("me", ["key"]))
    await cache.close()


async def test_a_silent_server_is_a_miss_after_milliseconds_and_then_left_alone() -> None:
    """One request waited for it; the next ones do not."""
    async with _server(None) as (url, connections):
        cache = ValkeyCache(url, FakeClock())
        assert [None] == list(await cache.get("me", ["key"]))
        for _ in range(50):
            await cache.get("me", ["key"])
        assert 1 == len(connections)
        await cache.close()


async def test_it_is_asked_again_after_a_while() -> None:
    """A server that came back is used again."""
    async with _server(b"-LOADING busy\r\n") as (url, connections):
        clock = FakeClock()
        cache = ValkeyCache(url, clock, read_s=5.0)
        await cache.get("me", ["key"])
        clock.advance(1.0)
        await cache.get("me", ["key"])
        assert 2 == len(connections)
        await cache.close()


async def test_nonsense_from_the_server_is_a_miss() -> None:
    """It is not what we think it is."""
    async with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        cache = ValkeyCache(url, FakeClock(), read_s=5.0)
        assert [None, None] == list(await cache.get("me", ["a", "b"]))
        await cache.close()
