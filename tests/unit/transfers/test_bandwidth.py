import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from roundhouse.testing.clock import FakeClock
from roundhouse.transfers import Bandwidth, Throttle, Throttles
from roundhouse.transfers.bandwidth import Turnstile

MIB = 1 << 20


class Streams:
    """Greedy streams that take all they are given, and when they were given it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.taken: list[tuple[float, int]] = []

    async def _drink(self, throttle: Throttle) -> None:
        while True:
            count = throttle.grain
            await throttle.take(count)
            self.taken.append((self._clock.monotonic(), count))

    @asynccontextmanager
    async def open(self, *throttles: Throttle) -> AsyncIterator[None]:
        """One for each of *throttles*."""
        tasks = [asyncio.ensure_future(self._drink(throttle)) for throttle in throttles]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def between(self, begin: float, end: float) -> int:
        """Bytes that came in that time."""
        return sum(count for at, count in self.taken if begin < at <= end)


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only when told."""
    return FakeClock()


@pytest.mark.parametrize("limit", [10 * MIB, 100_000, 20_000])
async def test_eight_streams_keep_one_limit_together(clock: FakeClock, limit: int) -> None:
    """Every window of ten seconds is within ten percent."""
    streams, shared = Streams(clock), Bandwidth(clock, limit, sleep=clock.sleep)
    async with streams.open(*[shared] * 8):
        await clock.run(30)
    windows = [streams.between(begin / 2, begin / 2 + 10) for begin in range(41)]
    assert [] == [count for count in windows if abs(count - 10 * limit) > limit]


@pytest.mark.parametrize("factor", [0.25, 4])
async def test_a_change_is_felt_within_two_seconds(clock: FakeClock, factor: float) -> None:
    """Also by those who wait already."""
    streams, shared = Streams(clock), Bandwidth(clock, MIB, sleep=clock.sleep)
    async with streams.open(*[shared] * 8):
        await clock.run(10)
        shared.limit = int(MIB * factor)
        await clock.run(12)
    assert 10 * MIB * factor == pytest.approx(streams.between(12, 22), rel=0.1)


async def test_lifting_the_limit_frees_who_waits(clock: FakeClock) -> None:
    """Within a look, and nobody owes anything."""
    shared = Bandwidth(clock, 1000, sleep=clock.sleep)
    waiting = asyncio.ensure_future(shared.take(1_000_000))
    await clock.run(5)
    assert not waiting.done()
    shared.limit = None
    await clock.run(1)
    assert waiting.done()


@pytest.mark.parametrize("limit", [None, 0])
async def test_without_a_limit_nobody_waits(clock: FakeClock, limit: int | None) -> None:
    """The clock stands still, and it returns."""
    await Bandwidth(clock, limit, sleep=clock.sleep).take(1 << 40)
    await Throttles().take(1 << 40)


async def test_idle_time_is_not_saved_up(clock: FakeClock) -> None:
    """An hour of silence is no right to an hour's bytes at once."""
    streams, shared = Streams(clock), Bandwidth(clock, MIB, sleep=clock.sleep)
    await clock.run(3600)
    async with streams.open(shared):
        await clock.run(10)
    assert 10 * MIB == pytest.approx(streams.between(0, 3610), rel=0.1)


@pytest.mark.parametrize(
    ("own", "expected"), [(lambda: MIB // 4, 0.25), (lambda: 8 * MIB, 1)], ids=["own-is-lower", "shared-is-lower"]
)
async def test_the_lowest_of_several_limits_counts(clock: FakeClock, own: Callable[[], int], expected: float) -> None:
    """One stream under a limit of its own and one that all share."""
    streams, shared = Streams(clock), Bandwidth(clock, MIB, sleep=clock.sleep)
    both = Throttles(Bandwidth(clock, own(), sleep=clock.sleep), shared)
    async with streams.open(both):
        await clock.run(20)
    assert 10 * MIB * expected == pytest.approx(streams.between(10, 20), rel=0.1)


async def test_a_stream_that_leaves_does_not_hold_up_the_others(clock: FakeClock) -> None:
    """Paused in the middle of its turn."""
    streams, shared = Streams(clock), Bandwidth(clock, MIB, sleep=clock.sleep)
    leaving = asyncio.ensure_future(shared.take(5 * MIB))
    await clock.run(1)
    leaving.cancel()
    async with streams.open(shared):
        await clock.run(20)
    assert 10 * MIB == pytest.approx(streams.between(11, 21), rel=0.1)


async def turns_of(*walkers: Callable[[], Coroutine[None, None, None]]) -> None:
    """Let all of them walk to their end."""
    async with asyncio.TaskGroup() as group:
        for walk in walkers:
            group.create_task(walk())


async def test_so_many_pieces_pass_in_one_turn_of_the_loop() -> None:
    """Whoever else lives on the loop has its turn in between, however many want to pass."""
    turnstile, turn, passed = Turnstile(2), 0, Counter[int]()

    async def walk() -> None:
        for _ in range(5):
            await turnstile.wait()
            passed[turn] += 1

    async def count() -> None:
        nonlocal turn
        while passed.total() < 50:
            turn += 1
            await asyncio.sleep(0)

    await turns_of(count, *[walk] * 10)
    # One more than two: a turn of this test is not cut where the turnstile's is.
    assert (50, True) == (passed.total(), max(passed.values()) <= 3)


async def test_who_comes_first_passes_first() -> None:
    """And one that was cancelled while it waited costs nobody its turn."""
    turnstile, passed = Turnstile(1), list[int]()

    async def walk(number: int) -> None:
        await turnstile.wait()
        passed.append(number)

    tasks = [asyncio.ensure_future(walk(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert [0, 1, 3] == passed
