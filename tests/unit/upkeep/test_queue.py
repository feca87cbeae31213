import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.upkeep.queue import Queue

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class Guest:
    """Somebody who wants a place, holds it until told, and notes when they got it."""

    name: str
    seated: list[str]
    priority: int = 0

    def __post_init__(self) -> None:
        """Come as late as the name says."""
        self._may_leave = asyncio.Event()

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """Priority, then age."""
        return (-self.priority, NOON + timedelta(seconds=ord(self.name)), self.name)

    def enter(self, queue: Queue) -> None:
        """Ask for a place."""
        self.task = asyncio.ensure_future(self._stay(queue))

    async def _stay(self, queue: Queue) -> None:
        async with queue.place(self):
            self.seated.append(self.name)
            await self._may_leave.wait()

    async def leave(self) -> None:
        """Go, or give up waiting."""
        self._may_leave.set()
        await breathe()


async def breathe() -> None:
    """Let everybody who can move do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def house(names: str, places: int) -> tuple[dict[str, Guest], list[str]]:
    """Guests who have all asked, and who sits."""
    queue, seated = Queue(places), list[str]()
    guests = {name: Guest(name, seated) for name in names}
    for guest in guests.values():
        guest.enter(queue)
        await breathe()
    return guests, seated


async def end(guests: dict[str, Guest]) -> None:
    """Let all go."""
    for guest in guests.values():
        guest.task.cancel()
    await asyncio.gather(*(guest.task for guest in guests.values()), return_exceptions=True)


async def test_no_more_than_there_are_places() -> None:
    """The others wait, the oldest is next."""
    guests, seated = await house("abcde", 3)
    assert list("abc") == seated
    await guests["b"].leave()
    assert list("abcd") == seated
    await end(guests)


async def test_priorities_change_while_waiting() -> None:
    """What counts is the priority at the moment when a place falls free."""
    guests, seated = await house("abcd", 1)
    guests["d"].priority, guests["b"].priority = 1, -1
    for name in "adc":
        await guests[name].leave()
    assert list("adcb") == seated
    await end(guests)


async def test_who_gives_up_takes_no_place() -> None:
    """Neither while waiting, nor at the very moment when a place is given."""
    guests, seated = await house("abcd", 1)
    guests["b"].task.cancel()
    await breathe()
    guests["a"]._may_leave.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    guests["c"].task.cancel()
    await breathe()
    assert "d" == seated[-1]
    await end(guests)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["leave", "cancel", "up", "down"]))))
def test_places_are_never_lost_nor_made(steps: list[tuple[str, str]]) -> None:
    """Whatever happens: at most two sit, and nobody waits while a place is free."""
    asyncio.run(check(steps))


async def check(steps: list[tuple[str, str]]) -> None:
    """Do all steps, looking after each."""
    guests, seated = await house("abcdef", 2)
    for name, step in steps:
        guest = guests[name]
        if step == "leave" and name in seated:
            await guest.leave()
        elif step == "cancel":
            guest.task.cancel()
        else:
            guest.priority += 1 if step == "up" else -1
        await breathe()
        sitting = [each for each in seated if not guests[each].task.done()]
        waiting = [each for each in guests if each not in seated and not guests[each].task.done()]
        assert len(sitting) == min(2, len(sitting) + len(waiting))
    await end(guests)
