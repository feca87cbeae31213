"""What an Ollama keeps, through a whole house."""

from pathlib import Path

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.core.errors import ConflictError, NotFoundError, OfflineError
from roundhouse.settings import load
from roundhouse.testing.ollama import FakeOllama


async def test_fetched_copied_and_deleted(home: Path) -> None:
    """What is there can be asked for at once, and what is gone cannot."""
    (home / "run").mkdir()
    async with FakeOllama() as ollama:
        (home / "roundhouse.toml").write_text(f'[backends.box]\nkind = "ollama"\nurl = "{ollama.url}"\n')
        settings = load(home=home, flags={"discovery.enabled": False})
        async with open_roundhouse(settings, url="http://127.0.0.1:1") as house:
            steps = [step async for step in house.management.pull_at("box", "fresh:latest")]
            assert "success" == steps[-1].status
            await house.management.copy_at("box", "fresh:latest", "second:latest")
            assert {"box/fresh:latest", "box/second:latest"} <= {each.id for each in house.rooms.fleet.offered("box")}
            await house.management.delete_at("box", "fresh:latest")
            assert "box/fresh:latest" not in {each.id for each in house.rooms.fleet.offered("box")}
            with pytest.raises(NotFoundError):
                await house.management.delete_at("box", "fresh:latest")
            with pytest.raises(ConflictError):
                await house.management.delete_at("local", "roundhouse/noise")


async def test_nothing_is_fetched_offline(home: Path) -> None:
    """Not even through an Ollama that is here."""
    (home / "run").mkdir()
    async with FakeOllama() as ollama:
        (home / "roundhouse.toml").write_text(f'[backends.box]\nkind = "ollama"\nurl = "{ollama.url}"\n')
        settings = load(home=home, flags={"discovery.enabled": False, "downloads.offline": True})
        async with open_roundhouse(settings, url="http://127.0.0.1:1") as house:
            with pytest.raises(OfflineError):
                await anext(house.management.pull_at("box", "fresh:latest"))
            assert [] == ollama.bodies("/api/pull")
