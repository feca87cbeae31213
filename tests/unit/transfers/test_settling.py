import asyncio
import threading

import pytest

from roundhouse.transfers import settled


async def test_the_result_is_passed_on() -> None:
    """Nothing is different without a cancel."""
    assert 3 == await settled(asyncio.to_thread(lambda: 3))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancel_waits_for_the_thread(fails: bool) -> None:  # noqa: FBT001
    """However often it is said, and whatever the thread ends with."""
    begun, may_end, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(10)
        ended.set()
        if fails:
            raise OSError

    task = asyncio.ensure_future(settled(asyncio.to_thread(work)))
    await begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.wait([task], timeout=0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
