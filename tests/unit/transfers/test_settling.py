import asyncio
import os
import sys
import threading

import pytest

from roundhouse.transfers import settled
from roundhouse.transfers.settling import NICE, Crew


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
async def test_a_crew_gives_way_to_others() -> None:
    """Its threads are served later, the one that asks is not."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    nice = await Crew().do(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert (NICE, before) == (nice, os.getpriority(os.PRIO_PROCESS, 0))
