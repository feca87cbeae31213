"""Five hundred clients on real sockets that hang up, in the queue and in the middle of their answers (G6)."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from tests.e2e.conftest import Running, wait_for

from roundhouse.testing.upstream import Fault, Upstream

pytestmark = pytest.mark.slow

CLIENTS, SLOTS = 500, 20
#: Connections over which a backend is asked how it is.
CHECKS = 2
_SLOTS = re.compile(r'^roundhouse_backend_slots_(?:busy|waiting)\{backend="box"\} (\d+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asking:
    """What all of them ask for; no two the same, or one answer would be for all."""

    path: str
    model: str
    #: How the backend is kept from answering those whom it has begun to serve.
    fault: Fault
    stream: bool = False

    def body(self, number: int) -> dict[str, object]:
        """The request of one of them."""
        text = f"a b c {number}"
        if self.path == "/v1/embeddings":
            return {"model": self.model, "input": text}
        messages = [{"role": "user", "content": text}]
        return {"model": self.model, "messages": messages} | ({"stream": True} if self.stream else {})


ASKED = {
    "streams": Asking("/v1/chat/completions", "echo", Fault.STALL_IN_TEXT, stream=True),
    "whole answers": Asking("/v1/chat/completions", "echo", Fault.STALL),
    "embeddings": Asking("/v1/embeddings", "text-embed", Fault.STALL),
}


class Client:
    """A socket that has asked for something."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def asking(cls, url: str, asked: Asking, number: int) -> "Client":
        """Connect and ask."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        body = json.dumps(asked.body(number)).encode()
        lines = [
            f"POST {asked.path} HTTP/1.1",
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


@dataclass(frozen=True, slots=True)
class House:
    """A Roundhouse that runs, looked at from outside."""

    running: Running
    process: psutil.Process

    def sockets(self) -> tuple[int, int]:
        """Connections of clients, also half closed ones, and those to backends."""
        port = urlsplit(self.running.url).port
        found = [each for each in self.process.net_connections("tcp") if each.status != psutil.CONN_LISTEN]
        theirs = sum(each.laddr.port == port for each in found)
        return theirs, len(found) - theirs

    def slots(self) -> list[int]:
        """Calls under way, and requests that wait for one."""
        with httpx2.Client() as client:
            found = _SLOTS.findall(client.get(f"{self.running.url}/metrics").text)
        assert 2 == len(found)
        return [int(number) for number in found]

    async def until(self, holds: Callable[["House"], bool]) -> None:
        """Look until it is so."""

        def said() -> str:
            return f"sockets {self.sockets()}, slots {self.slots()}"

        await asyncio.to_thread(wait_for, lambda: holds(self), 30, said)

    async def good(self, asked: Asking, number: int) -> int:
        """Ask for a whole answer; its status."""
        async with httpx2.AsyncClient(timeout=30) as client:
            return (await client.post(f"{self.running.url}{asked.path}", json=asked.body(number))).status_code


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_nothing_stays_of_clients_that_hang_up(up: Callable[..., Running], asked: Asking) -> None:
    """No socket to them, no call at the backend, no busy slot, nobody in the queue, and a record of each."""
    async with Upstream(models=("echo", "text-embed")) as upstream:
        running = await asyncio.to_thread(
            up,
            backends__box__url=upstream.url,
            backends__box__max_concurrent=str(SLOTS),
            backends__box__max_queue=str(CLIENTS),
        )
        house = House(running, psutil.Process(running.process.pid))
        # What is opened once, and kept between requests, is no leak.
        assert {200} == set(await asyncio.gather(*[house.good(asked, -1 - number) for number in range(SLOTS)]))
        await house.until(lambda house: house.sockets()[0] == 0)
        files = house.process.num_fds()
        upstream.plan(asked.fault, times=SLOTS)
        clients = [await Client.asking(running.url, asked, number) for number in range(CLIENTS)]
        await house.until(lambda house: house.slots() == [SLOTS, CLIENTS - SLOTS])
        assert SLOTS == upstream.fired[asked.fault]
        for number, client in enumerate(clients):
            client.hang_up(rudely=number % 2 == 0)
        await upstream.until(lambda: upstream.abandoned == SLOTS, within_s=30)
        await house.until(lambda house: house.slots() == [0, 0] and house.sockets() <= (0, CHECKS))
        assert house.process.num_fds() <= files
        print(f"G6: {CLIENTS} clients hung up, {upstream.abandoned} of them in the middle of an answer")
        assert {200} == set(await asyncio.gather(*[house.good(asked, -1 - SLOTS - each) for each in range(SLOTS)]))
        outcome = await asyncio.to_thread(running.cli, "usage", "--by", "model", "--json")
        assert CLIENTS + 2 * SLOTS == sum(row["requests"] for row in json.loads(outcome.stdout)["rows"])
