import asyncio

import pytest

from roundhouse.core.errors import DeadlineError
from roundhouse.serving.deadline import Deadline


async def test_what_is_done_in_time_is_left_alone() -> None:
    """A deadline that is met changes nothing."""
    deadline = Deadline(60.0)
    with deadline:
        await asyncio.sleep(0)
    deadline.close()
    assert not deadline.expired


async def test_a_wait_that_takes_too_long_ends() -> None:
    """The wait is cancelled and becomes a DeadlineError."""
    deadline = Deadline(0.001)
    with pytest.raises(DeadlineError, match=r"no answer within 0\.001 s"), deadline:
        await asyncio.Event().wait()


async def test_it_is_one_deadline_over_several_waits() -> None:
    """Time between the waits counts, and nobody is cancelled for it."""
    deadline = Deadline(0.001)
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.005, over.set)
    await over.wait()
    with pytest.raises(DeadlineError), deadline:
        await asyncio.sleep(0)


async def test_somebody_elses_cancellation_stays_one() -> None:
    """Only its own cancellation is turned into an error."""
    started = asyncio.Event()

    async def wait() -> None:
        with Deadline(60.0):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_is_not_left_marked_as_cancelled() -> None:
    """After the error the task can wait again, also under ``asyncio.timeout``."""
    with pytest.raises(DeadlineError), Deadline(0.001):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


async def test_other_errors_pass() -> None:
    """What was raised in time is what is raised."""
    deadline = Deadline(60.0)
    with pytest.raises(KeyError), deadline:
        raise KeyError
    deadline.close()


async def test_a_deadline_can_be_brought_forward() -> None:
    """And never put off."""
    deadline = Deadline(60.0)
    deadline.shorten(0.01)
    deadline.shorten(60.0)
    with pytest.raises(DeadlineError), deadline:
        await asyncio.Event().wait()
