from datetime import timedelta

from roundhouse.core.desks.schedule import Window
from roundhouse.testing.clock import FakeClock
from roundhouse.transfers import Bandwidth, Limits

MIB = 1 << 20


def the_hour(clock: FakeClock, bandwidth: int | None) -> Window:
    """From now on, for an hour, every day."""
    now = clock.now().astimezone()
    begin = now.hour * 60 + now.minute
    return Window(frozenset(range(7)), begin, (begin + 60) % 1440, bandwidth, "this hour")


def test_what_limits_one_source_leaves_the_others() -> None:
    """Each has a limit of its own, and may get one at any moment."""
    limits = Limits(FakeClock(), None, [("hf", MIB)])
    limits.source("ollama").limit = 2 * MIB
    assert {"hf": MIB, "ollama": 2 * MIB} == limits.by_source
    limits.source("hf").limit = None
    assert {"ollama": 2 * MIB} == limits.by_source


def test_the_finest_grain_of_all_that_hold_counts() -> None:
    """A transfer's own, its source's, the hour's, and that of all."""
    clock = FakeClock()
    limits = Limits(clock, MIB, [("hf", 100_000)], [the_hour(clock, 50_000)])
    assert Bandwidth(clock, 50_000).grain == limits.of("hf").grain
    assert Bandwidth(clock, 30_000).grain == limits.of("hf", Bandwidth(clock, 30_000)).grain


async def test_an_hour_that_is_over_holds_no_more() -> None:
    """Its limit is felt by the clock alone."""
    clock = FakeClock()
    limits = Limits(clock, None, (), [the_hour(clock, MIB)])
    during = limits.scheduled.window
    await clock.run(timedelta(hours=1).total_seconds())
    await limits.of("hf").take(1 << 40)
    assert ("this hour", None) == (during.text if during else None, limits.scheduled.window)
