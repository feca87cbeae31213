import asyncio

import pytest

from roundhouse.gateway.asgi import Message
from roundhouse.gateway.vigil import Patience, Vigil

AT_ONCE = Patience(watch_after=0.0, keep_alive=0.005)


async def never() -> Message:
    """A client that stays and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError


async def gone() -> Message:
    """A client that has left."""
    return {"type": "http.disconnect"}


async def test_a_quick_request_is_not_watched() -> None:
    """No second task for what is over at once."""
    before = asyncio.all_tasks()
    async with Vigil(gone, Patience(watch_after=60.0)):
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


async def test_leaving_ends_the_body_without_an_error() -> None:
    """Nobody is told, because nobody is there."""
    reached = False
    async with Vigil(gone, AT_ONCE):
        await asyncio.Event().wait()
        reached = True
    assert not reached
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_watcher_ends_with_the_body() -> None:
    """Nothing is left behind."""
    before = asyncio.all_tasks()
    beats: asyncio.Queue[None] = asyncio.Queue()
    async with Vigil(never, AT_ONCE, lambda: beats.put(None)):
        await beats.get()
    assert asyncio.all_tasks() == before


async def test_errors_of_the_body_pass() -> None:
    """The vigil is no net."""

    async def body() -> None:
        beats: asyncio.Queue[None] = asyncio.Queue()
        async with Vigil(never, AT_ONCE, lambda: beats.put(None)):
            await beats.get()
            raise KeyError

    with pytest.raises(KeyError):
        await body()


async def test_beats_repeat() -> None:
    """Every so often, as long as it takes."""
    beats: asyncio.Queue[None] = asyncio.Queue()
    async with asyncio.timeout(5), Vigil(never, AT_ONCE, lambda: beats.put(None)):
        for _ in range(3):
            await beats.get()


async def test_other_messages_are_not_leaving() -> None:
    """A server may repeat the end of the body."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    inbox.put_nowait({"type": "http.request", "body": b""})
    beats: asyncio.Queue[None] = asyncio.Queue()
    async with asyncio.timeout(5), Vigil(inbox.get, AT_ONCE, lambda: beats.put(None)):
        await beats.get()
    assert inbox.empty()


async def test_somebody_elses_cancellation_goes_on() -> None:
    """Both at once: the server's counts."""

    async def body() -> None:
        async with Vigil(gone, AT_ONCE):
            task = asyncio.current_task()
            assert task is not None
            while not task.cancelling():
                try:
                    await asyncio.Event().wait()
                finally:
                    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(body())
