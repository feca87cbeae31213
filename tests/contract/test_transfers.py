"""The port `Transfers`: one suite over the fake and over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from roundhouse.core.artifacts import Digest, TransferState
from roundhouse.core.errors import NotFoundError
from roundhouse.core.ports import Transfers
from roundhouse.storage.database import Database
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.memory import MemoryTransfers


@pytest.fixture
def transfers(database: Database | None) -> Transfers:
    """Each of them, empty."""
    return MemoryTransfers() if database is None else SqlTransfers(database)


async def test_gives_back_what_was_put(transfers: Transfers) -> None:
    """Every fact of a transfer survives."""
    await transfers.put(a_transfer("t1"))
    assert a_transfer("t1") == await transfers.get("t1")


async def test_a_later_state_takes_the_place_of_the_earlier(transfers: Transfers) -> None:
    """Putting a known id again overwrites it, the error included."""
    begun = replace(a_transfer("t1"), model=None, bytes_total=None, bytes_done=0, state=TransferState.QUEUED)
    await transfers.put(begun)
    error: dict[str, object] = {"code": "E_NET", "message": "cut", "hint": None}
    failed = replace(begun, state=TransferState.FAILED, error=error, updated_at=begun.updated_at + timedelta(hours=1))
    await transfers.put(failed)
    assert [failed] == list(await transfers.list())


async def test_keeps_an_error_whose_details_are_typed_text(transfers: Transfers) -> None:
    """What an error says about digests and paths must not keep it from being written."""
    digest = Digest("ab" * 32)
    error: dict[str, object] = {"code": "E_VERIFY", "details": {"expected": digest}}
    await transfers.put(replace(a_transfer("t1"), state=TransferState.FAILED, error=error))
    assert error == (await transfers.get("t1")).error


async def test_lists_the_newest_first_and_no_more_than_asked(transfers: Transfers) -> None:
    """The order is that of the beginnings."""
    for second in (2, 5, 1, 4, 3):
        await transfers.put(a_transfer(f"t{second}", after_s=second))
    assert ["t5", "t4", "t3"] == [transfer.id for transfer in await transfers.list(limit=3)]


async def test_refuses_an_unknown_id(transfers: Transfers) -> None:
    """An id that nobody put is an error that says so."""
    with pytest.raises(NotFoundError, match="'t9'"):
        await transfers.get("t9")


async def test_forgets_one_and_leaves_the_others(transfers: Transfers) -> None:
    """What was removed is unknown from then on, also to a second removal."""
    await transfers.put(a_transfer("t1"))
    await transfers.put(a_transfer("t2", after_s=1))
    await transfers.remove("t1")
    assert ["t2"] == [transfer.id for transfer in await transfers.list()]
    with pytest.raises(NotFoundError, match="'t1'"):
        await transfers.remove("t1")
