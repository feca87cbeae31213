"""What every `FiguresStore` promises, and every `FiguresDesk`."""

from collections.abc import AsyncIterator

import pytest

from roundhouse.core.errors import NotFoundError
from roundhouse.core.figures import FiguresStore, HourOf, Tally
from roundhouse.core.management import Management
from roundhouse.storage.database import Database
from roundhouse.storage.history import SqlFigures
from roundhouse.storage.tables import figures


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[FiguresStore]:
    """Each database, empty."""
    database = Database.open(database_url)
    yield SqlFigures(database)
    await database.close()


def an_hour(hour: int, requests: int = 1, backend: str = "a", model: str = "tiny") -> HourOf:
    """One hour of one deployment."""
    tally = Tally(requests=requests, errors={"E_NET": 1}, busy_s=0.5)
    tally.latency.add(100.0)
    tally.queue.add(20.0)
    tally.load.add(3000.0)
    return HourOf(hour, backend, model, tally)


async def test_hours_come_back_as_they_were(store: FiguresStore) -> None:
    """Histograms and all, oldest first."""
    hours = [an_hour(5), an_hour(6, model="\x00\ud800")]
    await store.put("one", hours)
    assert [hours[0], an_hour(6, model="\N{REPLACEMENT CHARACTER}?")] == list(await store.since(5))


async def test_hours_of_an_older_version_are_read(database_url: str) -> None:
    """What it did not measure is empty."""
    database = Database.open(database_url)
    old = {"requests": 2, "latency": {"counts": {"20": 2}}}
    row = {"hour": 5, "backend": "a", "model": "tiny", "part": "one", "tally": old}
    await database.write(lambda connection: connection.execute(figures.insert(), [row]))
    (hour,) = await SqlFigures(database).since(5)
    await database.close()
    assert (2, {20: 2}, {}) == (hour.tally.requests, hour.tally.latency.counts, hour.tally.queue.counts)


async def test_a_run_writes_its_hour_again(store: FiguresStore) -> None:
    """In place of what it wrote before."""
    await store.put("one", [an_hour(5, 1)])
    await store.put("one", [an_hour(5, 3)])
    assert [an_hour(5, 3)] == list(await store.since(0))


async def test_runs_add_up(store: FiguresStore) -> None:
    """Two nodes, or one that was started again."""
    await store.put("one", [an_hour(5, 1)])
    await store.put("two", [an_hour(5, 2)])
    (hour,) = await store.since(5)
    assert (3, {"E_NET": 2}, 1.0) == (hour.tally.requests, hour.tally.errors, hour.tally.busy_s)


async def test_one_backend_alone(store: FiguresStore) -> None:
    """Those of others are not read."""
    await store.put("one", [an_hour(5), an_hour(5, backend="b")])
    assert ["b"] == [hour.backend for hour in await store.since(0, "b")]


async def test_old_hours_are_forgotten(store: FiguresStore) -> None:
    """Those before, and no other."""
    await store.put("one", [an_hour(hour) for hour in range(10)])
    assert 7 == await store.prune(7)
    assert [7, 8, 9] == [hour.hour for hour in await store.since(0)]


async def test_every_deployment_has_figures(management: Management) -> None:
    """Also one that nobody called."""
    (backend,) = await management.backends()
    figures = await management.figures(backend.name)
    assert [(backend.name, 0, None)] == [(each.backend, each.requests, each.latency_ms) for each in figures]
    assert list(figures) == list(await management.figures())


async def test_an_unknown_backend_has_none(management: Management) -> None:
    """It is not there."""
    with pytest.raises(NotFoundError):
        await management.figures("nobody")
