"""Meters made-up requests as fast as it can and says which ones, until it is killed."""

import asyncio
import sys
from pathlib import Path

from roundhouse.core.clock import SystemClock
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.testing.builders import a_usage_record
from roundhouse.usage.meter import Meter


async def main(url: str, spool: str, run: str) -> None:
    """Record for ever; each line is a moment and the id of a record that is out of our hands."""
    clock = SystemClock()
    meter = Meter(SqlLedger(Database.open(url)), Path(spool))
    await meter.start()
    number = 0
    while True:
        for _ in range(20):
            meter.record(a_usage_record(f"{run}-{number}"))
            number += 1
        print(clock.monotonic(), f"{run}-{number - 1}", flush=True)
        await asyncio.sleep(0.005)


asyncio.run(main(*sys.argv[1:]))
