import asyncio
from dataclasses import replace

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.errors import NetworkError
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.memory import MemoryTransfers
from roundhouse.upkeep.progress import LiveTransfer

Live = tuple[LiveTransfer, MemoryTransfers, FakeClock]


@pytest.fixture
async def parts() -> Live:
    """A transfer of a thousand bytes that has just begun to download."""
    transfers, clock = MemoryTransfers(), FakeClock()
    live = LiveTransfer(replace(a_transfer(), bytes_done=0), transfers, clock)
    await live.enter(TransferState.DOWNLOADING, model="tiny", total=1000)
    return live, transfers, clock


async def test_a_state_is_written_at_once(parts: Live) -> None:
    """With what is known by then."""
    _, transfers, _ = parts
    written = await transfers.get("t1")
    assert (TransferState.DOWNLOADING, "tiny", 1000) == (written.state, written.model, written.bytes_total)


async def test_what_is_shown_runs_ahead_of_what_is_written(parts: Live) -> None:
    """Received bytes are shown, safe ones are written."""
    live, transfers, _ = parts
    file = live.watch()
    file.advanced(300, 200)
    await live.enter(TransferState.DOWNLOADING)
    assert (300, 200) == (live.progress().transfer.bytes_done, (await transfers.get("t1")).bytes_done)


async def test_rate_and_time_left_come_from_the_last_seconds(parts: Live) -> None:
    """A hundred bytes in a second, eight hundred to go."""
    live, _, clock = parts
    file = live.watch()
    file.advanced(100, 0)
    clock.advance(1)
    file.advanced(200, 0)
    progress = live.progress()
    assert (100.0, 8.0) == (progress.rate, progress.eta_s)


async def test_a_stalled_transfer_has_no_rate(parts: Live) -> None:
    """What happened long ago says nothing about now."""
    live, _, clock = parts
    file = live.watch()
    file.advanced(100, 0)
    clock.advance(1)
    file.advanced(200, 0)
    clock.advance(60)
    assert (None, None) == (live.progress().rate, live.progress().eta_s)


async def test_files_add_up(parts: Live) -> None:
    """Also while several come at once."""
    live, _, _ = parts
    file = live.watch()
    file.advanced(400, 400)
    live.watch().advanced(100, 0)
    assert (500, 500) == (live.progress().transfer.bytes_done, live.left)


async def test_bytes_never_go_back(parts: Live) -> None:
    """Starting a file over is not shown as losing what people saw."""
    live, transfers, _ = parts
    file = live.watch()
    file.advanced(400, 400)
    await live.enter(TransferState.DOWNLOADING)
    file.advanced(0, 0)
    await live.enter(TransferState.DOWNLOADING)
    assert (await transfers.get("t1")).bytes_done == 400


async def test_why_it_waits_is_shown_until_it_moves(parts: Live) -> None:
    """The error of the last try, with when the next one is."""
    live, _, _ = parts
    file = live.watch()
    file.waiting(NetworkError("cut"), 2.5)
    waiting = live.progress().transfer.error or {}
    file.advanced(1, 0)
    assert ("E_NET", 2.5, None) == (waiting["code"], waiting["retry_in_s"], live.progress().transfer.error)


async def test_changes_are_written_on_the_way(parts: Live) -> None:
    """Without anybody asking."""
    live, transfers, _ = parts
    file = live.watch()
    written = asyncio.Event()
    put = transfers.put

    async def noting(transfer: Transfer) -> None:
        await put(transfer)
        written.set()

    transfers.put = noting  # type: ignore[method-assign]
    writing = asyncio.ensure_future(live.keep_written())
    file.advanced(300, 200)
    await asyncio.wait_for(written.wait(), 5)
    writing.cancel()
    assert (await transfers.get("t1")).bytes_done == 200


async def test_a_failure_is_written_with_its_reason(parts: Live) -> None:
    """Code, message and hint."""
    live, transfers, _ = parts
    await live.fail(NetworkError("cut", hint="try again"))
    written = await transfers.get("t1")
    assert (TransferState.FAILED, "try again") == (written.state, (written.error or {})["hint"])


async def test_what_was_said_to_be_safe_never_goes_back(parts: Live) -> None:
    """Neither when the work begins again, nor when a file does."""
    live, _, _ = parts
    file = live.watch()
    told = []
    for received, journaled in ((300, 200), (0, 0), (100, 50), (400, 350)):
        file.advanced(received, journaled)
        told.append(live.progress().verified)
    live.begin()
    told.append(live.progress().verified)
    assert told == [200, 200, 200, 350, 350]
