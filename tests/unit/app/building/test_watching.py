import asyncio

from roundhouse.app.building.watching import unending


async def test_work_that_fails_begins_anew() -> None:
    """However often; being cancelled ends it."""
    enough, times = asyncio.Event(), 0

    async def work() -> None:
        nonlocal times
        times += 1
        if times == 3:
            enough.set()
            await asyncio.get_running_loop().create_future()
        message = "no"
        raise LookupError(message)

    task = asyncio.create_task(unending("this", work, again_s=0.0))
    async with asyncio.timeout(5):
        await enough.wait()
    task.cancel()
    await asyncio.wait([task])
    assert (True, 3) == (task.cancelled(), times)
