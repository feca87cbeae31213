"""What the contract suites share."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.core.management import Management
from roundhouse.settings import load
from roundhouse.storage.database import Database
from roundhouse.testing.management_service import InMemoryManagement, a_model

#: The model in the library of every house under test.
NAME = "roundhouse/noise"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> AsyncIterator[Database | None]:
    """None for the fake that needs no database; then an open, empty one of each kind that we speak."""
    if request.param == "memory":
        yield None
        return
    opened = Database.open(new_url(request.param))
    yield opened
    await opened.close()


@pytest.fixture
def offline() -> bool:
    """Ask for a house that must not reach out."""
    return True


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def management(
    request: pytest.FixtureRequest, home: Path, new_url: Callable[[str], str]
) -> AsyncIterator[Management]:
    """The house in memory, and the real one on both databases."""
    if request.param == "memory":
        yield InMemoryManagement(catalog=[a_model(NAME)])
        return
    (home / "run").mkdir()
    flags = {
        "storage.database_url": new_url(request.param),
        "discovery.enabled": False,
        "downloads.offline": "offline" in request.fixturenames,
    }
    async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:8484") as roundhouse:
        yield roundhouse.management


@pytest.fixture
async def gone() -> AsyncIterator[str]:
    """A reference whose hub takes a connection and says nothing."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/silent.gguf#sha256={'ab' * 32}"
