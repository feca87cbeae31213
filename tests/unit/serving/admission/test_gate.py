import asyncio
from dataclasses import replace
from functools import partial

import pytest

from roundhouse.core.errors import BackendError, CapacityError, LimitError
from roundhouse.core.inference import Deployment, InferenceRequest
from roundhouse.core.runtimes import Traits
from roundhouse.serving.admission.gate import Gate, Slot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.testing.backend import a_deployment, a_request
from roundhouse.testing.clock import FakeClock

TINY = a_deployment("a/tiny")


class Door:
    """A gate, a clock, and who entered in which order."""

    def __init__(self, **rules: object) -> None:
        self.clock = FakeClock()
        self.gate = Gate("a", GateRules(**rules), self.clock.monotonic)  # type: ignore[arg-type]
        self.entered: list[str] = []

    def first(self, deployment: Deployment = TINY) -> Slot:
        """Take the slot that is free."""
        slot = self.gate.take(deployment)
        assert slot is not None
        return slot

    def queue(self, id_: str, priority: int = 50, deployment: Deployment = TINY) -> asyncio.Task[Slot]:
        """Let somebody wait."""

        async def enter() -> Slot:
            slot = await self.gate.wait(named(id_, priority), deployment)
            self.entered.append(id_)
            return slot

        return asyncio.ensure_future(enter())


def named(id_: str, priority: int = 50) -> InferenceRequest:
    """A request with that id."""
    return replace(a_request(), id=id_, priority=priority)


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def order_of(door: Door, *wishes: tuple[str, int]) -> list[str]:
    """Who enters after whom through one slot."""
    slot, tasks = door.first(), {}
    for id_, priority in wishes:
        tasks[id_] = door.queue(id_, priority)
        await settle()
    for _ in wishes:
        slot.leave()
        await settle()
        slot = tasks[door.entered[-1]].result()
    return door.entered


async def test_an_unlimited_backend_never_lets_anybody_wait() -> None:
    """A thousand calls, a thousand slots."""
    door = Door()
    assert (len([door.first() for _ in range(1_000)]), door.gate.in_flight) == (1_000, 1_000)


async def test_those_who_wait_enter_as_they_came() -> None:
    """Within equal priority."""
    door = Door(max_concurrent=1)
    assert await order_of(door, ("r1", 50), ("r2", 50), ("r3", 50)) == ["r1", "r2", "r3"]


async def test_a_higher_priority_goes_first() -> None:
    """High before normal before low."""
    door = Door(max_concurrent=1)
    assert await order_of(door, ("low", 20), ("normal", 50), ("high", 80)) == ["high", "normal", "low"]


async def test_a_slot_per_model_is_counted_by_itself() -> None:
    """A model that is full does not keep the others out, in the queue or not."""
    door, two = Door(), replace(TINY, upstream="other", traits=Traits(slots=1))
    one = replace(TINY, traits=Traits(slots=1))
    door.first(one)
    waits = door.queue("r1", deployment=one)
    await settle()
    enters = door.queue("r2", deployment=two)
    await settle()
    assert (waits.done(), enters.done()) == (False, True)
    waits.cancel()


@pytest.mark.parametrize(
    ("told", "usual", "configured", "enter"),
    [(None, 2, None, 2), (3, 2, None, 3), (None, 2, 0, 9), (3, 2, 0, 3), (None, 2, 5, 5), (None, None, None, 9)],
)
async def test_slots_that_nobody_told_are_guessed(
    told: int | None, usual: int | None, configured: int | None, enter: int
) -> None:
    """Unless somebody configured otherwise; what is told is no guess."""
    door = Door(max_concurrent=configured)
    one, other = (replace(TINY, upstream=name, traits=Traits(slots=told, slots_usual=usual)) for name in "ab")
    assert enter == sum(door.gate.take(one) is not None for _ in range(9))
    assert (door.gate.take(other) is None) == (configured == enter)


async def test_a_full_queue_says_when_to_come_again() -> None:
    """With the place it would have had, and how long that would have taken."""
    door = Door(max_concurrent=1, most_waiting=1)
    slot = door.first()
    door.clock.advance(4.0)
    slot.leave()
    door.first()
    waits = door.queue("r1")
    await settle()
    with pytest.raises(CapacityError) as caught:
        await door.gate.wait(named("r2"), TINY)
    assert (2, 8.0, 8.0) == (
        caught.value.details["position"],
        caught.value.details["eta_s"],
        caught.value.retry_after_s,
    )
    waits.cancel()


async def test_a_full_queue_sheds_the_last_for_one_who_goes_before() -> None:
    """A flood of low priority does not keep the high out."""
    door = Door(max_concurrent=1, most_waiting=1)
    slot = door.first()
    low = door.queue("low", 20)
    await settle()
    high = door.queue("high", 80)
    await settle()
    slot.leave()
    await settle()
    assert isinstance(low.exception(), CapacityError)
    assert high.done()


async def test_who_leaves_the_queue_leaves_no_place() -> None:
    """The next moves up at once."""
    door = Door(max_concurrent=1)
    slot = door.first()
    gone, stays = door.queue("gone"), door.queue("stays")
    await settle()
    gone.cancel()
    await settle()
    told = door.gate.waiting("stays")
    assert told is not None
    assert (told.reason, told.position, door.gate.queued) == ("queued", 1, 1)
    slot.leave()
    await settle()
    assert stays.done()


async def test_who_is_cancelled_in_the_moment_of_entering_gives_the_slot_on() -> None:
    """No slot is lost between giving and taking."""
    door = Door(max_concurrent=1)
    slot = door.first()
    gone, stays = door.queue("gone"), door.queue("stays")
    await settle()
    slot.leave()
    gone.cancel()
    await settle()
    assert (gone.cancelled(), stays.done(), door.gate.in_flight) == (True, True, 1)


async def test_five_hundred_who_leave_leave_nothing() -> None:
    """No waiter, no task and no busy slot."""
    door = Door(max_concurrent=1, most_waiting=500)
    slot = door.first()
    tasks = [door.queue(f"r{number}") for number in range(500)]
    await settle()
    queued = door.gate.queued
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    slot.leave()
    assert (500, 0, 0) == (queued, door.gate.queued, door.gate.in_flight)


async def test_too_many_is_learned() -> None:
    """After a 429 fewer are let in; other failures say nothing about that."""
    door = Door()
    slots = [door.first() for _ in range(10)]
    slots[0].leave(BackendError())
    before = door.gate.limit
    slots[1].leave(LimitError())
    slots[2].leave(BackendError(details={"status": 503}))
    assert (before, door.gate.limit) == (float("inf"), 6.0)


async def test_a_swap_is_made_when_the_model_has_stayed_long_enough() -> None:
    """Without anybody leaving or coming."""
    door = Door(one_at_a_time=True, min_residency_s=0.01)
    door.first().leave()
    async with asyncio.timeout(5):
        slot = door.queue("r1", deployment=replace(TINY, upstream="other"))
        await settle()
        door.clock.advance(1.0)
        await slot
    assert door.entered == ["r1"]


async def order_of_models(door: Door, *, alone: bool) -> str:
    """Who is served in which order when requests for a, b, a, a come to a runtime that has one slot."""
    a, b = (replace(TINY, upstream=each, traits=Traits(slots=1, alone=alone)) for each in "ab")
    slot = door.first(a)
    tasks = {}
    for id_, deployment in (("b1", b), ("a2", a), ("a3", a)):
        tasks[id_] = door.queue(id_, deployment=deployment)
        await settle()
    for place in range(len(tasks)):
        door.clock.advance(1.0)
        slot.leave()
        await settle()
        slot = tasks[door.entered[place]].result()
    return " ".join(["a1", *door.entered])


async def test_those_for_the_model_that_is_there_go_first_where_its_traits_say_so() -> None:
    """A B A A is served as A A A B, though nobody configured anything."""
    assert "a1 a2 a3 b1" == await order_of_models(Door(), alone=True)
    assert "a1 b1 a2 a3" == await order_of_models(Door(max_concurrent=1), alone=False)


async def test_what_is_configured_comes_before_traits() -> None:
    """Somebody may know better, in both directions."""
    assert "a1 b1 a2 a3" == await order_of_models(Door(max_concurrent=1, one_at_a_time=False), alone=True)
    assert "a1 a2 a3 b1" == await order_of_models(Door(one_at_a_time=True), alone=False)


async def test_two_names_for_one_place_share_its_slots() -> None:
    """The machine is what is busy."""
    gates = Gates(FakeClock().monotonic, {"a": GateRules(max_concurrent=1)}, {"a": "here", "b": "here", "c": "there"})
    assert gates.of("a") is gates.of("b") is gates.of("b")
    assert gates.of("c") is not gates.of("a")


async def test_each_who_waits_for_a_gate_to_be_empty_waits_for_that() -> None:
    """Two names of one machine share it, and leave one after the other."""
    gates = Gates(FakeClock().monotonic, places={"a": "box:1", "b": "box:1"})
    shared = gates.of("b")
    assert gates.of("a") is shared
    async with asyncio.timeout(5):
        await shared.emptied()
    slot = shared.take(TINY)
    assert slot is not None
    again = asyncio.create_task(shared.emptied())
    await settle()
    assert not again.done()
    slot.leave()
    async with asyncio.timeout(5):
        await again


async def test_who_can_be_served_elsewhere_does_not_wait_for_an_ill_backend() -> None:
    """Those who cannot stay, and so do those who wait for another backend behind the same gate."""
    door = Door(max_concurrent=1)
    inside, other = door.first(), replace(TINY, backend="b")
    wishes = [(TINY, [True]), (TINY, []), (other, [True])]
    waiting = [
        asyncio.ensure_future(door.gate.wait(named(f"r{number}"), deployment, partial(any, free)))
        for number, (deployment, free) in enumerate(wishes)
    ]
    await settle()
    door.gate.turn_away(TINY.backend)
    with pytest.raises(CapacityError, match="fell ill"):
        await waiting[0]
    assert 2 == door.gate.queued
    inside.leave()
    (await waiting[1]).leave()
    (await waiting[2]).leave()
    assert 0 == door.gate.in_flight
