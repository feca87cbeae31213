"""Five hundred clients on real sockets that hang up, in the queue and in the middle of their answers."""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from tests.e2e.conftest import Running

from roundhouse.testing.upstream import Fault, Upstream

pytestmark = pytest.mark.slow

CLIENTS, SLOTS = 500, 20


class Client:
    """A socket that has asked for a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def asking(cls, url: str) -> "Client":
        """Connect and ask."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        words = {"role": "user", "content": "a b c"}
        body = json.dumps({"model": "echo", "stream": True, "messages": [words]}).encode()
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: {place.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return cls(reader, writer)

    def hang_up(self, *, rudely: bool) -> None:
        """Close, or cut."""
        if rudely:
            self.writer.transport.abort()
        else:
            self.writer.close()


def sockets(process: psutil.Process) -> int:
    """Connections that are not listening."""
    return sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections("tcp"))


async def good(url: str, number: int) -> int:
    """Ask for a whole answer; its status."""
    async with httpx2.AsyncClient(timeout=30) as client:
        body = {"model": "echo", "messages": [{"role": "user", "content": f"number {number}"}]}
        return (await client.post(f"{url}/v1/chat/completions", json=body)).status_code


async def test_nothing_stays_of_clients_that_hang_up(up: Callable[..., Running]) -> None:
    """No socket to them or to the backend, no busy slot, a record of each; and the next are served at once."""
    async with Upstream() as upstream:
        running = await asyncio.to_thread(
            up,
            backends__box__url=upstream.url,
            backends__box__max_concurrent=str(SLOTS),
            backends__box__max_queue=str(CLIENTS),
        )
        house = psutil.Process(running.process.pid)
        before = await asyncio.to_thread(sockets, house)
        upstream.plan(Fault.STALL_IN_TEXT, times=SLOTS)
        clients = [await Client.asking(running.url) for _ in range(CLIENTS)]
        await upstream.until(lambda: upstream.fired[Fault.STALL_IN_TEXT] == SLOTS, within_s=30)
        for number, client in enumerate(clients):
            client.hang_up(rudely=number % 2 == 0)
        await upstream.until(lambda: upstream.abandoned == SLOTS, within_s=30)
        statuses = await asyncio.gather(*[good(running.url, number) for number in range(SLOTS)])
        print(f"{CLIENTS} clients hung up, {upstream.abandoned} of them in the middle of an answer")
        assert [200] * SLOTS == statuses
        assert await asyncio.to_thread(sockets, house) <= before + SLOTS
        outcome = await asyncio.to_thread(running.cli, "usage", "--by", "model", "--json")
        assert CLIENTS + SLOTS == sum(row["requests"] for row in json.loads(outcome.stdout)["rows"])
