"""What every `BaselinesStore` promises."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from roundhouse.core.figures.baselines import Baseline, BaselinesStore, Pace
from roundhouse.storage.database import Database
from roundhouse.storage.history.baselines import SqlBaselines
from roundhouse.testing.builders import NOON

ONE = Baseline("a", "owner/x:Q4", NOON, "test", {"0.0": Pace(30.5, 120.25), "3.2": Pace(12.0, 900.0)})


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[BaselinesStore]:
    """Each database, empty."""
    database = Database.open(database_url)
    yield SqlBaselines(database)
    await database.close()


async def test_they_come_back_as_they_were(store: BaselinesStore) -> None:
    """By deployment."""
    other = replace(ONE, model="b", by="calls")
    await store.put([ONE, other])
    assert [other, ONE] == list(await store.all())


async def test_a_later_one_takes_the_place_of_the_one_before(store: BaselinesStore) -> None:
    """There is one for each deployment."""
    await store.put([replace(ONE, by="calls", kinds={})])
    await store.put([ONE])
    await store.put([])
    assert [ONE] == list(await store.all())
