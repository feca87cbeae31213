import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.errors import NetworkError, RoundhouseError, SchemaError
from roundhouse.core.ledger import UsageRecord
from roundhouse.testing.builders import a_usage_record
from roundhouse.testing.memory import MemoryLedger
from roundhouse.usage.meter import Meter, Pace
from roundhouse.usage.spool import Spool

QUICK = Pace(interval_s=0.01, batch=10, room=100, retry_s=0.01, retry_most_s=0.02, close_s=0.05)


class OddLedger(MemoryLedger):
    """A ledger that fails, hangs or refuses when told to, and tells when it has taken something."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []
        self.refused: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.asked, self.taken = asyncio.Event(), asyncio.Event()
        self.batches: list[int] = []

    async def append(self, records: Sequence[UsageRecord]) -> None:
        """Take *records*, unless told otherwise."""
        self.asked.set()
        await self.open.wait()
        if self.failures:
            raise self.failures.pop()
        if self.refused & {record.id for record in records}:
            raise SchemaError
        await super().append(records)
        self.batches.append(len(records))
        self.taken.set()

    async def ids(self) -> set[str]:
        """Every record that it has."""
        return {record.id for record in await self.recent(limit=10**6)}


@pytest.fixture
def ledger() -> OddLedger:
    """A ledger that works."""
    return OddLedger()


@pytest.fixture
async def meter(ledger: OddLedger, home: Path) -> AsyncIterator[Meter]:
    """A meter that has started, and is closed afterwards."""
    meter = Meter(ledger, home / "usage.spool", QUICK)
    await meter.start()
    yield meter
    ledger.open.set()
    await meter.close()


def spooled(home: Path) -> set[str]:
    """The records that stand in the spool."""
    with Spool(home / "usage.spool") as spool:
        return {record.id for record in spool.read(0).records}


async def test_a_record_reaches_the_ledger_by_itself(meter: Meter, ledger: OddLedger) -> None:
    """Nobody has to wait for it."""
    meter.record(a_usage_record("r1"))
    await ledger.taken.wait()
    assert [a_usage_record("r1")] == list(await ledger.recent())


async def test_records_travel_together(ledger: OddLedger, home: Path) -> None:
    """A full batch does not wait for the interval, and many records are few writes."""
    meter = Meter(ledger, home / "usage.spool", replace(QUICK, interval_s=3600.0))
    await meter.start()
    for number in range(10):
        meter.record(a_usage_record(f"r{number}"))
    await ledger.taken.wait()
    assert [10] == ledger.batches
    await meter.close()


async def test_flush_waits_until_everything_is_there(meter: Meter, ledger: OddLedger, home: Path) -> None:
    """After it the ledger is complete and the spool is empty."""
    for number in range(50):
        meter.record(a_usage_record(f"r{number}"))
    await meter.flush()
    assert (50, 0) == (len(await ledger.ids()), (home / "usage.spool").stat().st_size)


async def test_a_ledger_that_hangs_does_not_keep_records_in_memory(meter: Meter, ledger: OddLedger, home: Path) -> None:
    """They are in the spool an interval later, where a kill does not reach them."""
    ledger.open.clear()
    meter.record(a_usage_record("r1"))
    await ledger.asked.wait()
    meter.record(a_usage_record("r2"))
    async with asyncio.timeout(10):
        while spooled(home) != {"r1", "r2"}:  # noqa: ASYNC110 - a file tells nobody that it was written
            await asyncio.sleep(0)
    assert set() == await ledger.ids()


@pytest.mark.parametrize("failure", [NetworkError(), ValueError("a bug")], ids=["away", "bug"])
async def test_a_ledger_that_fails_is_tried_again(meter: Meter, ledger: OddLedger, failure: Exception) -> None:
    """The record arrives once the ledger is back."""
    ledger.failures = [failure, failure]
    meter.record(a_usage_record("r1"))
    await ledger.taken.wait()
    assert ({"r1"}, []) == (await ledger.ids(), ledger.failures)


async def test_a_record_that_is_refused_keeps_no_other_out(meter: Meter, ledger: OddLedger) -> None:
    """The batch is parted until the odd one stands alone."""
    ledger.refused = {"r4"}
    for number in range(9):
        meter.record(a_usage_record(f"r{number}"))
    await meter.flush()
    assert {f"r{number}" for number in range(9)} - {"r4"} == await ledger.ids()


async def test_the_next_start_delivers_what_was_left(ledger: OddLedger, home: Path) -> None:
    """What a killed run left in the spool is in the ledger without anyone asking."""
    with Spool(home / "usage.spool") as spool:
        spool.append([a_usage_record("r1"), a_usage_record("r2")])
    meter = Meter(ledger, home / "usage.spool", QUICK)
    await meter.start()
    await ledger.taken.wait()
    await meter.close()
    assert ({"r1", "r2"}, set()) == (await ledger.ids(), spooled(home))


async def test_closing_leaves_in_the_spool_what_the_ledger_cannot_take(ledger: OddLedger, home: Path) -> None:
    """A server that stops does not wait for a database that is away."""
    ledger.open.clear()
    meter = Meter(ledger, home / "usage.spool", QUICK)
    await meter.start()
    meter.record(a_usage_record("r1"))
    await meter.close()
    assert (set(), {"r1"}) == (await ledger.ids(), spooled(home))


async def test_a_full_memory_goes_to_the_spool(ledger: OddLedger, home: Path) -> None:
    """More records than there is room for, before the loop had a turn: none is lost."""
    meter = Meter(ledger, home / "usage.spool", QUICK)
    await meter.start()
    for number in range(101):
        meter.record(a_usage_record(f"r{number}"))
    assert 101 == len(spooled(home))
    await meter.close()
    assert 101 == len(await ledger.ids())


async def test_a_full_disk_sends_records_straight_to_the_ledger(ledger: OddLedger) -> None:
    """Without a spool the ledger still gets them."""
    meter = Meter(ledger, Path("/dev/full"), QUICK)
    await meter.start()
    meter.record(a_usage_record("r1"))
    await ledger.taken.wait()
    assert {"r1"} == await ledger.ids()
    await meter.close()


async def test_without_disk_and_ledger_records_wait_in_memory(ledger: OddLedger) -> None:
    """They arrive once either is back."""
    ledger.failures = [NetworkError(), NetworkError()]
    meter = Meter(ledger, Path("/dev/full"), QUICK)
    await meter.start()
    meter.record(a_usage_record("r1"))
    await ledger.taken.wait()
    assert ({"r1"}, []) == (await ledger.ids(), ledger.failures)
    await meter.close()


async def test_memory_is_bounded_when_nothing_takes_records(ledger: OddLedger) -> None:
    """The oldest give way."""
    meter = Meter(ledger, Path("/dev/full"), replace(QUICK, interval_s=3600.0, batch=10**6))
    await meter.start()
    for number in range(150):
        meter.record(a_usage_record(f"r{number}"))
    await meter.flush()
    assert {f"r{number}" for number in range(50, 150)} == await ledger.ids()
    await meter.close()


async def test_flush_says_that_the_ledger_is_away(meter: Meter, ledger: OddLedger) -> None:
    """Whoever asked for it learns why; the record waits."""
    ledger.failures = [NetworkError("the database is away")] * 3
    meter.record(a_usage_record("r1"))
    with pytest.raises(RoundhouseError, match="away"):
        await meter.flush()
    await ledger.taken.wait()
    assert {"r1"} == await ledger.ids()
