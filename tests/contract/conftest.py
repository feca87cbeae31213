"""What the contract suites share."""

from collections.abc import AsyncIterator, Callable

import pytest

from roundhouse.storage.database import Database


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> AsyncIterator[Database | None]:
    """None for the fake that needs no database; then an open, empty one of each kind that we speak."""
    if request.param == "memory":
        yield None
        return
    opened = Database.open(new_url(request.param))
    yield opened
    await opened.close()
