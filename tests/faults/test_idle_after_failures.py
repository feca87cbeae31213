"""However an answer breaks off, nothing goes on turning afterwards (G7)."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import ChunkStream
from roundhouse.testing import ollama
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.upstream import Fault, Planned, Upstream

#: Failures that end an answer by themselves; a silent backend is the deadline's to end.
FAULTS = [each for each in Fault if each not in (Fault.STALL, Fault.STALL_IN_TEXT, Fault.NO_FINISH)]
#: How long the loop is watched, and how often it may turn meanwhile: one that spins turns thousands of times.
WATCHED_S, TURNS = 0.2, 40


T = TypeVar("T", OpenAICompatible, Ollama)


class Counting(selectors.DefaultSelector):
    """Counts the turns of its loop."""

    turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """One turn."""
        self.turns += 1
        return super().select(timeout)


class House:
    """A loop of its own that counts its turns."""

    def __init__(self) -> None:
        self._selector = Counting()

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run *work* to its end."""
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(self._selector)) as runner:
            runner.run(work)

    async def turns(self) -> int:
        """How often the loop turns while nothing happens."""
        before = self._selector.turns
        nothing = asyncio.ensure_future(asyncio.Event().wait())
        await asyncio.wait([nothing], timeout=WATCHED_S)
        nothing.cancel()
        return self._selector.turns - before


@asynccontextmanager
async def closing(backend: T) -> AsyncIterator[T]:
    """Close it at the end, whatever happens."""
    try:
        yield backend
    finally:
        await backend.close()


async def broken(stream: ChunkStream) -> None:
    """Read it until it raises what it must."""
    with pytest.raises(RoundhouseError):
        [chunk async for chunk in stream]


@pytest.mark.parametrize(
    "fault",
    [*FAULTS, Planned(Fault.STATUS, 429, (("Retry-After", "1"),))],
    ids=lambda each: getattr(each, "status", each),
)
def test_a_loop_rests_after_a_failure(fault: Fault | Planned) -> None:
    """Whether refused, cut, cut short, or told in the middle of the words that there were too many."""
    house = House()

    async def fail() -> None:
        async with Upstream() as upstream, closing(OpenAICompatible("echo", upstream.url)) as backend:
            deployment = (await backend.deployments())[0]
            # A connection that was kept and is cut at once was stale, and the request is sent again.
            upstream.plan(fault, times=2 if fault is Fault.CUT else 1)
            await broken(backend.stream(ask_chat("a b c d", stream=True), deployment))
            assert upstream.fired
            assert await house.turns() <= TURNS

    house.run(fail())


@pytest.mark.parametrize("fault", [ollama.Fault.ERROR_IN_STREAM, ollama.Fault.CUT_IN_TEXT, ollama.Fault.NO_DONE])
def test_a_loop_rests_after_a_failure_of_ollama(fault: ollama.Fault) -> None:
    """Its lines are read by other means."""
    house = House()

    async def fail() -> None:
        async with FakeOllama() as fake, closing(Ollama.at("desk", fake.url, SystemClock())) as backend:
            deployment = next(each for each in await backend.deployments() if each.model == "echo:latest")
            fake.plan(fault)
            await broken(backend.stream(ask_chat("a b c d", stream=True), deployment))
            assert fake.fired
            assert await house.turns() <= TURNS

    house.run(fail())
