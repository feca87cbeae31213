"""The port `Ledger`: one suite over the fake and over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.core.ledger import UsageSummary
from roundhouse.core.ports import Ledger
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.testing.builders import NOON, a_usage_record
from roundhouse.testing.memory import MemoryLedger


@pytest.fixture
def ledger(database: Database | None) -> Ledger:
    """Each of them, empty."""
    return MemoryLedger() if database is None else SqlLedger(database)


async def test_gives_back_what_was_appended(ledger: Ledger) -> None:
    """Every fact of a record survives, attempts included."""
    await ledger.append([a_usage_record("r1")])
    assert [a_usage_record("r1")] == list(await ledger.recent())


async def test_keeps_what_is_unknown_unknown(ledger: Ledger) -> None:
    """A request that nobody answered has no model, backend, price or first token."""
    nobody = replace(
        a_usage_record(), model=None, backend=None, cost_usd=None, first_token_ms=None, attempts=(), estimated=True
    )
    await ledger.append([nobody])
    assert [nobody] == list(await ledger.recent())


async def test_writing_a_record_twice_changes_nothing(ledger: Ledger) -> None:
    """The id makes a replay harmless, also inside a batch and with other facts."""
    await ledger.append([a_usage_record("r1"), a_usage_record("r1")])
    await ledger.append([replace(a_usage_record("r1"), prompt_tokens=999), a_usage_record("r2", after_s=1)])
    assert [a_usage_record("r2", after_s=1), a_usage_record("r1")] == list(await ledger.recent())


async def test_an_empty_batch_is_no_error(ledger: Ledger) -> None:
    """Nothing to write is fine."""
    await ledger.append([])
    assert [] == list(await ledger.recent())


async def test_recent_is_newest_first_and_bounded(ledger: Ledger) -> None:
    """The order is that of time, whatever the order of writing."""
    await ledger.append([a_usage_record(f"r{second}", after_s=second) for second in (2, 5, 1, 4, 3)])
    assert ["r5", "r4"] == [record.id for record in await ledger.recent(limit=2)]


async def test_adds_up_by_model_busiest_first(ledger: Ledger) -> None:
    """A request that no model answered counts under the name that was asked for."""
    lost = replace(a_usage_record("r3"), model=None, requested="typo", outcome="E_NOTFOUND", cost_usd=None)
    await ledger.append([a_usage_record("r1"), a_usage_record("r2"), lost])
    served = UsageSummary("acme/tiny:Q4_K_M", 2, 0, 22, 14, 0.5)
    assert [served, UsageSummary("typo", 1, 1, 11, 7, 0.0)] == list(await ledger.summary("model"))


async def test_adds_up_by_backend(ledger: Ledger) -> None:
    """Requests that no backend answered stand together; a client that went away is no error."""
    gone = replace(a_usage_record("r1"), outcome="client_closed")
    await ledger.append([gone, replace(a_usage_record("r2"), backend=None, outcome="E_NOROUTE")])
    assert [("(none)", 1), ("local", 0)] == [(row.key, row.errors) for row in await ledger.summary("backend")]


async def test_adds_up_by_day_of_utc(ledger: Ledger) -> None:
    """A day is a day in UTC, wherever the database is."""
    midnight = NOON.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=23, minutes=59)]
    await ledger.append([replace(a_usage_record(f"r{n}"), at=moment) for n, moment in enumerate(moments)])
    assert [("2026-03-01", 2), ("2026-02-28", 1)] == [(row.key, row.requests) for row in await ledger.summary("day")]


async def test_adds_up_since_a_moment(ledger: Ledger) -> None:
    """The moment itself is in."""
    await ledger.append([a_usage_record(f"r{second}", after_s=second) for second in range(4)])
    rows = await ledger.summary("model", since=NOON + timedelta(seconds=2))
    assert [2] == [row.requests for row in rows]


async def test_refuses_to_add_up_by_something_else(ledger: Ledger) -> None:
    """An unknown dimension is an error that says so."""
    await ledger.append([a_usage_record()])
    with pytest.raises(SchemaError, match="'colour'"):
        await ledger.summary("colour")
