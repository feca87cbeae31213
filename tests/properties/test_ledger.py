"""The ledger of the database and the ledger of the fake always agree."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.ledger import UsageRecord
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.testing.builders import a_usage_record
from roundhouse.testing.memory import MemoryLedger


def a_record(number: int, model: str | None, outcome: str, day: int) -> UsageRecord:
    """One of few ids, models, outcomes and days, so that they meet."""
    return replace(a_usage_record(f"r{number}", after_s=day * 86_400.0), model=model, outcome=outcome)


records = st.builds(
    a_record,
    st.integers(0, 9),
    st.sampled_from([None, "a", "b"]),
    st.sampled_from(["ok", "client_closed", "E_NET"]),
    st.integers(0, 2),
)


@given(st.lists(st.lists(records, max_size=5), max_size=5), st.sampled_from(["model", "backend", "day"]))
def test_any_batches_add_up_as_in_the_fake(batches: list[list[UsageRecord]], by: str) -> None:
    """Repeated ids, in one batch or across, count once; the first one wins."""

    async def compare(url: str) -> None:
        fake, database = MemoryLedger(), Database.open(url)
        real = SqlLedger(database)
        for batch in batches:
            await fake.append(batch)
            await real.append(batch)
        assert list(await fake.summary(by)) == list(await real.summary(by))
        assert list(await fake.recent()) == list(await real.recent())
        await database.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(f"sqlite:///{Path(folder) / 'r.sqlite'}"))
