import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.core.errors import NetworkError
from roundhouse.core.events import Event, Events, ResidencyChanged
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.ollama import FakeOllama, Fault


@dataclass
class Desk:
    """A backend for one Ollama, and what it tells."""

    told: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def at(self, fake: FakeOllama, preload: str) -> Ollama:
        """One that preloads."""
        events = Events()
        events.subscribe(self.told.put_nowait)
        options: dict[str, str | int | float | bool] = {"preload": preload, "keep_alive": -1}
        wish = Wish("desk", "ollama", fake.url, options=options)
        return Ollama.made(wish, Workshop(events, FakeClock(), {}, Path()))

    async def loaded(self, model: str) -> None:
        """Until it says that *model* is loaded."""
        assert ResidencyChanged("desk", model, loaded=True) == await asyncio.wait_for(self.told.get(), 5)


@pytest.fixture
def desk() -> Desk:
    """Nothing was told yet."""
    return Desk()


async def test_what_is_wanted_is_loaded_without_a_request(desk: Desk) -> None:
    """Once each, in their order, by the way that each takes, and for as long as was said."""
    async with FakeOllama() as fake:
        ollama = desk.at(fake, "echo,embed:latest")
        for _ in range(3):
            await ollama.deployments()
        await desk.loaded("echo:latest")
        await desk.loaded("embed:latest")
        await ollama.deployments()
        await ollama.close()
        assert {"echo:latest": 1, "embed:latest": 1} == fake.loads
        sent = [(path, body["keep_alive"]) for path, body in fake.seen if path in {"/api/generate", "/api/embed"}]
    assert [("/api/generate", -1), ("/api/embed", -1)] == sent


async def test_what_has_left_stays_away(desk: Desk) -> None:
    """Somebody unloaded it, or its time was over."""
    async with FakeOllama() as fake:
        ollama = desk.at(fake, "echo")
        await ollama.deployments()
        await desk.loaded("echo:latest")
        fake.running.clear()
        await ollama.health()
        await ollama.deployments()
        await ollama.close()
        assert 1 == fake.loads["echo:latest"]


async def test_after_it_was_away_it_is_loaded_again(desk: Desk) -> None:
    """Another one has nothing in memory."""
    async with FakeOllama() as fake:
        ollama = desk.at(fake, "echo")
        await ollama.deployments()
        await desk.loaded("echo:latest")
    with pytest.raises(NetworkError):
        await ollama.deployments()
    async with FakeOllama(port=urlsplit(fake.url).port or 0) as fake:
        await ollama.deployments()
        await desk.loaded("echo:latest")
        await ollama.close()
        assert 1 == fake.loads["echo:latest"]


async def test_after_an_update_it_is_loaded_again(desk: Desk) -> None:
    """Also when nobody saw it away."""
    async with FakeOllama() as fake:
        ollama = desk.at(fake, "echo")
        await ollama.health()
        await ollama.deployments()
        await desk.loaded("echo:latest")
        fake.running.clear()
        fake.version = "0.13.0"
        await ollama.health()
        await ollama.deployments()
        await desk.loaded("echo:latest")
        await ollama.close()
        assert 2 == fake.loads["echo:latest"]


async def test_what_comes_later_is_loaded_then(desk: Desk) -> None:
    """A model that is pulled after the start."""
    async with FakeOllama() as fake:
        echo = fake.models.pop("echo:latest")
        ollama = desk.at(fake, "echo")
        await ollama.deployments()
        fake.models["echo:latest"] = echo
        await ollama.deployments()
        await desk.loaded("echo:latest")
        await ollama.close()


async def test_what_has_no_room_does_not_hold_up_the_others(desk: Desk) -> None:
    """It is loaded when somebody asks."""
    async with FakeOllama() as fake:
        fake.plan(Fault.NO_MEMORY)
        ollama = desk.at(fake, "echo,embed")
        await ollama.deployments()
        await desk.loaded("embed:latest")
        await ollama.close()
        assert (0, 1) == (fake.loads["echo:latest"], fake.loads["embed:latest"])


async def test_closing_stops_it(desk: Desk) -> None:
    """Nothing goes on behind."""
    async with FakeOllama() as fake:
        fake.may_load.clear()
        ollama = desk.at(fake, "echo")
        await ollama.deployments()
        await ollama.close()
        fake.may_load.set()
    assert desk.told.empty()
