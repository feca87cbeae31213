"""Telling what has become of transfers: once each, and only what is written down."""

from dataclasses import replace

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.errors import DiskError
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.memory import MemoryTransfers
from roundhouse.upkeep.telling import TellingTransfers


class Broken(MemoryTransfers):
    """A list on a full disk."""

    async def put(self, transfer: Transfer) -> None:  # noqa: ARG002 - refuses whatever it is
        """Refuse."""
        raise DiskError


async def test_a_change_is_told_once_and_progress_is_not_told() -> None:
    """Rows are written every second; only what is another state is news."""
    told: list[Transfer] = []
    transfers = TellingTransfers(MemoryTransfers(), told.append)
    begun = replace(a_transfer("t1"), state=TransferState.DOWNLOADING, error=None)
    failing = replace(begun, error={"code": "E_NET", "message": "cut", "retry_in_s": 1.0})
    rows = [
        begun,
        replace(begun, bytes_done=9),
        failing,
        replace(failing, error={**(failing.error or {}), "retry_in_s": 2}),
    ]
    over = replace(begun, state=TransferState.DONE)
    for row in [*rows, over]:
        await transfers.put(row)
    assert told == [begun, failing, over]
    assert over == await transfers.get("t1") == (await transfers.list())[0]


async def test_what_was_not_written_is_not_told() -> None:
    """Nobody hears of a state that a restart would not know."""
    told: list[Transfer] = []
    transfers = TellingTransfers(Broken(), told.append)
    with pytest.raises(DiskError):
        await transfers.put(a_transfer("t1"))
    assert told == []
