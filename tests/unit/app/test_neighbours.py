import asyncio
from collections.abc import Sequence

import pytest

from roundhouse.app.neighbours import Change, Neighbours, Origin
from roundhouse.core.ports import Backend
from roundhouse.core.views import Found
from roundhouse.testing.backend import FakeBackend


def ollama(name: str = "ollama", port: int = 11434) -> Found:
    """A runtime that answers."""
    return Found("ollama", name, f"http://127.0.0.1:{port}", "Ollama 0.12")


class Street:
    """Neighbours, and who of them answers now."""

    def __init__(self, *configured: str) -> None:
        self.answering: list[Found] = []
        self.by_name: dict[str, Backend] = {}
        self.origins = {url: Origin("ollama", url, configured=True) for url in configured}
        self.neighbours = Neighbours(self._look, lambda each: FakeBackend(each.name), self.by_name, self.origins)

    async def _look(self) -> Sequence[Found]:
        return self.answering


async def test_who_appears_later_is_taken_in() -> None:
    """Once, however often we look."""
    street = Street()
    before = await street.neighbours.look_around()
    street.answering = [ollama()]
    found, again = await street.neighbours.look_around(), await street.neighbours.look_around()
    assert ((), ("ollama",), ()) == (before.fresh, found.fresh, again.fresh)
    assert ["ollama"] == list(street.by_name)


async def test_who_goes_away_stays_known() -> None:
    """It is not found any more, and still a backend: it may come back."""
    street = Street()
    street.answering = [ollama()]
    await street.neighbours.look_around()
    street.answering = []
    await street.neighbours.look_around()
    assert ((), ["ollama"]) == (street.neighbours.found, list(street.by_name))


async def test_who_answers_in_the_place_of_another_takes_it() -> None:
    """llama-server and mlx_lm.server have the same usual port; the one that is not there any more is let go of."""
    street = Street()
    street.answering = [Found("llama-server", "llama-server", "http://127.0.0.1:8080", "llama-server")]
    await street.neighbours.look_around()
    before = street.by_name["llama-server"]
    street.answering = [Found("mlx", "mlx", "http://127.0.0.1:8080", "mlx_lm.server")]
    change = await street.neighbours.look_around()
    assert (("mlx",), {"llama-server": before}) == (change.fresh, change.gone)
    assert (["mlx"], ["mlx"]) == (list(street.by_name), list(street.origins))
    assert not await street.neighbours.look_around()


async def test_who_is_configured_keeps_his_place() -> None:
    """Somebody wrote what is there; a runtime that only looks otherwise does not change that."""
    street = Street("http://127.0.0.1:8080")
    street.answering = [Found("mlx", "mlx", "http://127.0.0.1:8080", "mlx_lm.server")]
    assert not await street.neighbours.look_around()


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "http://localhost:11434", "http://[::1]:11434/"])
async def test_an_address_that_somebody_configured_is_not_taken_twice(url: str) -> None:
    """Under whatever name, however it is written."""
    street = Street(url)
    street.answering = [ollama()]
    assert not await street.neighbours.look_around()
    assert [ollama()] == list(street.neighbours.found)


async def test_who_is_new_is_told() -> None:
    """To whoever keeps the list of deployments."""
    street, told = Street(), asyncio.Queue[list[str]]()

    async def changed(change: Change) -> None:
        told.put_nowait(list(change.fresh))

    running = asyncio.create_task(street.neighbours.run(changed, every_s=0.001))
    street.answering = [ollama()]
    async with asyncio.timeout(5):
        assert ["ollama"] == await told.get()
    running.cancel()
