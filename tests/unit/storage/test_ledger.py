from dataclasses import replace

import pytest

from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.storage.database import Database
from roundhouse.storage.ledger import SqlLedger
from roundhouse.testing.builders import a_usage_record


@pytest.mark.parametrize(
    "odd",
    [
        replace(a_usage_record(), requested="a\0b"),
        replace(a_usage_record(), requested="a\ud800b"),
        replace(a_usage_record(), model="m" * 100_000),
        replace(a_usage_record(), prompt_tokens=10**30),
        replace(a_usage_record(), completion_tokens=-1),
        replace(a_usage_record(), cost_usd=float("nan"), latency_ms=float("inf"), first_token_ms=float("-inf")),
        replace(a_usage_record(), attempts=(AttemptRecord("a\0b", "o\ud800", float("nan")),)),
    ],
    ids=["nul", "surrogate", "long", "huge", "negative", "nan", "attempt"],
)
async def test_one_odd_record_does_not_keep_the_others_out(database: Database, odd: UsageRecord) -> None:
    """What no database can hold is made to fit."""
    ledger = SqlLedger(database)
    await ledger.append([a_usage_record("before"), odd, a_usage_record("after")])
    assert {"before", odd.id, "after"} == {record.id for record in await ledger.recent()}


async def test_hostile_token_counts_can_be_added_up(database: Database) -> None:
    """An upstream that claims absurd numbers cannot break the summary."""
    ledger = SqlLedger(database)
    await ledger.append([replace(a_usage_record(f"r{n}"), prompt_tokens=10**30) for n in range(100)])
    [row] = await ledger.summary("model")
    assert 100 * 10**12 == row.prompt_tokens
