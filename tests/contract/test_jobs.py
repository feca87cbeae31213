"""The port `Jobs`: one suite over the fake and over both databases; what outlives a process, over the databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from roundhouse.core.errors import AbortedError, NotFoundError
from roundhouse.core.ports import JobBody
from roundhouse.storage.engines import jobs_url
from roundhouse.storage.jobs import DbosJobs
from roundhouse.testing.jobs import MemoryJobs

pytestmark = pytest.mark.slow

#: Launches jobs with a body; those that this test launched before are closed first.
Launch = Callable[[JobBody], Awaitable[MemoryJobs | DbosJobs]]

durable = pytest.mark.parametrize("kind", ["sqlite", "postgres"])


class Bodies:
    """A body that notes who ran it, and waits where it is told to."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.entered = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = 0

    async def quick(self, job_id: str, argument: str) -> None:
        """Note, and end."""
        self.runs.append((job_id, argument))

    async def failing(self, job_id: str, argument: str) -> None:
        """Note, and fail."""
        self.runs.append((job_id, argument))
        message = "no good"
        raise ValueError(message)

    async def waiting(self, job_id: str, argument: str) -> None:
        """Note, and wait until told to end."""
        self.runs.append((job_id, argument))
        self.entered.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.fixture
def bodies() -> Bodies:
    """Bodies that have not run yet."""
    return Bodies()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which jobs."""
    name: str = request.param
    return name


@pytest.fixture
async def launch(kind: str, new_url: Callable[[str], str]) -> AsyncIterator[Launch]:
    """Launch jobs on this test's database, closing those before."""
    url = None if kind == "memory" else jobs_url(new_url(kind))
    open_now: list[MemoryJobs | DbosJobs] = []

    async def launch_one(body: JobBody) -> MemoryJobs | DbosJobs:
        if open_now:
            await open_now.pop().close()
        jobs = MemoryJobs(body) if url is None else DbosJobs(url, body, executor_id="node-1")
        if isinstance(jobs, DbosJobs):
            await jobs.launch()
        open_now.append(jobs)
        return jobs

    yield launch_one
    if open_now:
        await open_now.pop().close()


async def test_runs_what_was_started(launch: Launch, bodies: Bodies) -> None:
    """The body gets the id and the argument as they were given."""
    jobs = await launch(bodies.quick)
    await jobs.start("j1", 'hf:acme/tiny "ä" \n')
    await jobs.wait("j1")
    assert [("j1", 'hf:acme/tiny "ä" \n')] == bodies.runs


async def test_runs_on_the_loop_that_launched_it(launch: Launch) -> None:
    """A body may touch whatever belongs to that loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def body(_job_id: str, _argument: str) -> None:
        loops.append(asyncio.get_running_loop())

    jobs = await launch(body)
    await jobs.start("j1", "")
    await jobs.wait("j1")
    assert [asyncio.get_running_loop()] == loops


async def test_a_second_start_joins_the_first(launch: Launch, bodies: Bodies) -> None:
    """The same id is the same job, while it runs and when it is over."""
    jobs = await launch(bodies.waiting)
    await jobs.start("j1", "a")
    await bodies.entered.wait()
    await jobs.start("j1", "b")
    bodies.may_end.set()
    await jobs.wait("j1")
    await jobs.start("j1", "c")
    await jobs.wait("j1")
    assert [("j1", "a")] == bodies.runs


async def test_a_job_that_fails_is_over(launch: Launch, bodies: Bodies) -> None:
    """A body that raises is not run again, nor does it raise where somebody waits."""
    jobs = await launch(bodies.failing)
    await jobs.start("j1", "a")
    await jobs.wait("j1")
    await jobs.start("j1", "a")
    await jobs.wait("j1")
    assert [("j1", "a")] == bodies.runs


async def test_nobody_waits_for_an_unknown_job(launch: Launch, bodies: Bodies) -> None:
    """An id that nobody started is an error that says so."""
    jobs = await launch(bodies.quick)
    with pytest.raises(NotFoundError, match="j9"):
        await jobs.wait("j9")


@durable
async def test_closing_cancels_and_the_next_launch_goes_on(launch: Launch, bodies: Bodies) -> None:
    """A job that was running at the close runs again, to its end, after the next launch."""
    jobs = await launch(bodies.waiting)
    await jobs.start("j1", "a")
    await bodies.entered.wait()
    await jobs.close()
    bodies.may_end.set()
    jobs = await launch(bodies.waiting)
    await jobs.wait("j1")
    assert (1, [("j1", "a"), ("j1", "a")]) == (bodies.cancelled, bodies.runs)


@durable
async def test_what_is_over_stays_over_after_a_launch(launch: Launch, bodies: Bodies) -> None:
    """The next launch does not repeat what has ended."""
    jobs = await launch(bodies.quick)
    await jobs.start("j1", "a")
    await jobs.wait("j1")
    jobs = await launch(bodies.quick)
    await jobs.wait("j1")
    assert [("j1", "a")] == bodies.runs


@durable
async def test_closed_jobs_refuse_to_start(launch: Launch, bodies: Bodies) -> None:
    """What would never run is refused."""
    jobs = await launch(bodies.quick)
    await jobs.close()
    with pytest.raises(AbortedError):
        await jobs.start("j1", "a")
