"""How far transfers are, told to those who listen."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from roundhouse.app.building.events import feed_of, tell_progress, telling
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.events import Wish
from roundhouse.core.events import Event, Events, TransferChanged, TransferMoved
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.clock import FakeClock
from roundhouse.upkeep.progress import Progress

ROW = replace(a_transfer("t1"), state=TransferState.DOWNLOADING, error=None, bytes_done=10)


def test_a_change_is_told_with_the_live_numbers() -> None:
    """What moves here knows more than its row."""
    events, told = Events(), list[Event]()
    events.subscribe(told.append)
    telling(events, lambda: [Progress(replace(ROW, bytes_done=30), 5.0, None, 20)])(ROW)
    telling(events, list)(ROW)
    views = [event.transfer for event in told if isinstance(event, TransferChanged)]
    assert [(view.bytes_done, view.bytes_verified, view.rate) for view in views] == [(30, 20, 5.0), (10, 10, None)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"state": TransferState.QUEUED}, "its turn has not come"),
        ({"state": TransferState.PAUSED}, "paused until it is resumed"),
        ({"error": {"message": "cut", "retry_in_s": 2.0}}, "cut; tried again in 2.0 s"),
        ({"state": TransferState.PAUSED, "error": {"message": "full"}}, "full"),
        ({"state": TransferState.FAILED, "error": {"message": "cut"}}, None),
    ],
)
def test_what_waits_says_why(change: dict[str, object], words: str | None) -> None:
    """In words, and only while it waits."""
    events, told = Events(), list[Event]()
    events.subscribe(told.append)
    telling(events, list)(replace(ROW, **change))  # type: ignore[arg-type]
    assert [event.transfer.waiting for event in told if isinstance(event, TransferChanged)] == [words]


@pytest.mark.slow
async def test_progress_is_told_while_somebody_listens_and_something_moves() -> None:
    """One event per look, and none when nothing has changed."""
    events, told = Events(), list[Event]()
    events.subscribe(told.append)
    feed = feed_of(events, FakeClock())
    rows = [10, 10, 30, 40]
    looked = asyncio.Event()

    def moving() -> list[Progress]:
        if len(rows) == 1:
            looked.set()
        return [Progress(replace(ROW, bytes_done=rows.pop(0) if len(rows) > 1 else rows[0]))]

    work = asyncio.create_task(tell_progress(feed, events, moving))
    with feed.listen(Wish()):
        async with asyncio.timeout(5):
            await looked.wait()
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    assert [event.transfer.bytes_done for event in told if isinstance(event, TransferMoved)] == [30, 40]
