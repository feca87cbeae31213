"""A kill -9 under load loses no acknowledged record that is older than a second."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.storage.tables import usage
from roundhouse.testing.victim import Victim
from roundhouse.usage.meter import Meter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("usage_victim.py")
#: Seconds that a record may be old and still be lost.
WINDOW = 1.0


async def in_ledger(url: str, spool: Path) -> set[str]:
    """Every id that the ledger has once the next run has started."""
    database = Database.open(url)
    meter = Meter(SqlLedger(database), spool)
    await meter.start()
    await meter.flush()
    found = await database.read(lambda connection: set(connection.scalars(sa.select(usage.c.id))))
    await meter.close()
    await database.close()
    return found


async def test_kills_lose_no_record_older_than_a_second(
    database_url: str, home: Path, start_victim: Callable[..., Victim], times: int
) -> None:
    """What was recorded before the window began is in the ledger after the next start."""
    spool = home / "usage.spool"
    for run in range(times):
        victim = start_victim(VICTIM, database_url, str(spool), str(run))
        acknowledged = load_and_kill(victim, random.Random(run).uniform(1.2, 2.0))
        assert -signal.SIGKILL == victim.end()
        last = acknowledged[-1][0]
        old = [int(record_id.split("-")[1]) for moment, record_id in acknowledged if moment < last - WINDOW]
        assert old, "the load did not last longer than the window"
        expected = {f"{run}-{number}" for number in range(old[-1] + 1)}
        assert not expected - await in_ledger(database_url, spool)


def load_and_kill(victim: Victim, seconds: float) -> list[tuple[float, str]]:
    """What the victim had acknowledged when it was killed, *seconds* after its first word."""
    acknowledged: list[tuple[float, str]] = []
    for line in victim.lines():
        moment, _, record_id = line.partition(" ")
        acknowledged.append((float(moment), record_id))
        if acknowledged[-1][0] - acknowledged[0][0] > seconds:
            victim.kill()
    return acknowledged
