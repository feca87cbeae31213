"""A whole house that sees how quick the models of one Ollama are, by a clock in the hands of a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.app.test_health import chosen, until

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.desks.events import Wish
from roundhouse.core.inference import Chunk
from roundhouse.settings import load
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.ollama_shapes import Model

#: Eight tokens, which is the least that has a speed.
TEXT = "one two three four five six seven eight"


class Timed:
    """A house with one Ollama that has two models, both in memory."""

    def __init__(self, house: Roundhouse, ollama: FakeOllama, clock: FakeClock) -> None:
        self.house, self.ollama, self.clock = house, ollama, clock

    async def answers(self, model: str, seconds: float, count: int = 1) -> None:
        """So many streams that take so long each after their first word."""
        asked = ask_chat(TEXT, stream=True)
        for _ in range(count):
            self.ollama.may_go_on.clear()
            request = replace(asked, profile=replace(asked.profile, model=model))
            _, stream = await self.house.rooms.serving.stream(request)
            async with aclosing(stream):
                reading = asyncio.create_task(_read(stream))
                await asyncio.sleep(0)  # it has had the first word, and waits for the second
                self.clock.advance(seconds)
                self.ollama.may_go_on.set()
                assert 8 <= await reading


async def _read(stream: AsyncIterator[Chunk]) -> int:
    return len([chunk async for chunk in stream])


@pytest.fixture
async def timed(home: Path) -> AsyncIterator[Timed]:
    """Nobody was timed yet."""
    (home / "run").mkdir()
    (home / "roundhouse.toml").write_text('[backends.local]\nkind = "llamacpp"\nenabled = false\n')
    clock = FakeClock()
    async with FakeOllama(Model("large:1b"), Model("small:1b")) as ollama:
        flags: dict[str, object] = {"discovery.enabled": False, "downloads.offline": True}
        flags |= {"backends.o.kind": "ollama", "backends.o.url": ollama.url, "backends.o.health_s": 0}
        async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:1", clock=clock) as house:
            timed = Timed(house, ollama, clock)
            for model in ("large:1b", "small:1b"):
                await timed.answers(model, 60.0)
            await house.rooms.fleet.refresh()
            yield timed


async def test_the_quicker_of_two_models_of_one_backend_is_chosen(timed: Timed) -> None:
    """By what was measured of each, without the time that loading them took."""
    await timed.answers("large:1b", 10.0)
    await timed.answers("small:1b", 1.0)
    assert ["o/small:1b", "o/large:1b"] == chosen(timed.house)
    await timed.answers("small:1b", 40.0, 10)
    assert ["o/large:1b", "o/small:1b"] == chosen(timed.house)


async def test_what_becomes_slow_is_told_chosen_less_and_told_again_when_it_is_well(timed: Timed) -> None:
    """By an event, the list of backends, its figures and the metrics; nobody is left out for it."""
    house = timed.house
    await timed.answers("large:1b", 4.0, 5)
    await timed.answers("small:1b", 1.0, 20)
    with house.management.listen(Wish(("backend",))) as heard:
        await timed.answers("small:1b", 4.0, 20)
        assert {"backend": "o", "model": "small:1b", "share": 0.25} == await until(heard, "backend.degraded")
        assert ["o/large:1b", "o/small:1b"] == chosen(house)
        (backend,) = await house.management.backends()
        figures = {each.model: each for each in await house.management.figures("o")}["small:1b"]
        assert (("small:1b",), True, 0.25) == (backend.degraded, figures.degraded, figures.pace)
        assert b'roundhouse_deployment_degraded{backend="o",deployment="o/small:1b"} 1.0' in house.metrics.render()
        await timed.answers("small:1b", 1.0, 20)
        assert "small:1b" == (await until(heard, "backend.restored"))["model"]
    assert ["o/small:1b", "o/large:1b"] == chosen(house)


async def test_figures_tell_how_fast_tokens_came_also_by_the_hour(timed: Timed) -> None:
    """Of the last calls, and of what the database adds up."""
    await timed.answers("small:1b", 4.0, 3)
    figures = {each.model: each for each in await timed.house.management.figures("o")}["small:1b"]
    assert figures.baseline is None
    assert (4, 2.0) == (figures.requests, figures.tokens_per_s)
    (hour,) = figures.hours
    assert (32, 32 / 72) == (hour.completion_tokens, hour.tokens_per_s)
