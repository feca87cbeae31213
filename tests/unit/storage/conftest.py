"""What the tests of storage share."""

from collections.abc import AsyncIterator

import pytest

from roundhouse.storage.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, empty database, on each of those that we speak."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()
