"""Whoever waits: nobody is lost, nobody starves, no slot is used twice, a swap never cuts a call."""

import asyncio
from bisect import insort
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roundhouse.core.errors import CapacityError, LimitError
from roundhouse.serving.admission.gate import Gate, Slot
from roundhouse.serving.admission.order import Hall, pick
from roundhouse.serving.admission.rules import S_PER_POINT, GateRules, due
from roundhouse.testing.backend import a_deployment, a_request
from roundhouse.testing.clock import FakeClock


@dataclass(frozen=True, order=True)
class Waits:
    """One who waits, in order of due time."""

    key: tuple[float, int]
    model: str
    arrived: float
    slots: int | None = None


ARRIVALS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 20, 50, 80, 100])), min_size=1, max_size=60)


@given(ARRIVALS, st.booleans())
def test_nobody_starves(arrivals: list[tuple[str, int]], one_at_a_time: bool) -> None:  # noqa: FBT001 - drawn
    """Against one arrival per second and one call per second, everybody enters within a bound of his own coming."""
    rules = GateRules(min_residency_s=3.0, collate_s=10.0)
    waiting: list[Waits] = []
    held, since, now, longest = None, 0.0, 0.0, 0.0
    for number in range(3 * len(arrivals) + 60):
        if number < len(arrivals):
            model, priority = arrivals[number]
            insort(waiting, Waits((due(now, priority), number), model, now))
        found = pick(waiting, Hall({}, held if one_at_a_time else None, since), rules, now)
        if found.place is not None:
            entered = waiting.pop(found.place)
            longest = max(longest, now - entered.arrived)
            if entered.model != held:
                held, since = entered.model, now
        now += 1.0
        if number >= len(arrivals) and not waiting:
            break
    assert not waiting
    # Overtaken by those within 100 points, and by swaps: each costs at most a residency.
    assert longest <= 100 * S_PER_POINT + 3.0 * len(arrivals) + 10.0


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_minute_of_waiting_beats_any_priority(early: int, late: int) -> None:
    """Who came a hundred points' worth of seconds before is served before."""
    assert due(0.0, early) <= due(100 * S_PER_POINT, late)


class GateMachine(RuleBasedStateMachine):
    """Any order of coming, leaving, giving up and being turned away."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.gate = Gate("a", GateRules(max_concurrent=3, most_waiting=4), self.clock.monotonic)
        self.came = self.refused = self.left = self.gave_up = 0
        self.inside: list[Slot] = []
        self.waiting: list[asyncio.Task[Slot]] = []

    def teardown(self) -> None:
        """End everything."""
        for task in self.waiting:
            task.cancel()
        self.settle()
        self.loop.close()

    def settle(self) -> None:
        """Let every task run until it waits."""

        async def turn() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())
        still: list[asyncio.Task[Slot]] = []
        for task in self.waiting:
            if not task.done():
                still.append(task)
            elif task.cancelled():
                self.gave_up += 1
            elif isinstance(task.exception(), CapacityError):
                self.refused += 1
            else:
                self.inside.append(task.result())
        self.waiting = still

    @rule(priority=st.sampled_from([20, 50, 80]), seconds=st.sampled_from([0.0, 1.0, 30.0]))
    def come(self, priority: int, seconds: float) -> None:
        """Somebody comes."""
        self.clock.advance(seconds)
        self.came += 1
        slot = self.gate.take(a_deployment())
        if slot is not None:
            self.inside.append(slot)
            return
        request = replace(a_request(), id=f"r{self.came}", priority=priority)
        self.waiting.append(self.loop.create_task(self.gate.wait(request, a_deployment())))
        self.settle()

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), limited=st.booleans())
    def leave(self, data: st.DataObject, limited: bool) -> None:  # noqa: FBT001 - drawn
        """A call ends, well or as one too many."""
        slot = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        slot.leave(LimitError() if limited else None)
        self.left += 1
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), at_once=st.booleans())
    def give_up(self, data: st.DataObject, at_once: bool) -> None:  # noqa: FBT001 - drawn
        """A client goes away, maybe in the moment in which a slot is free."""
        task = data.draw(st.sampled_from(self.waiting))
        if at_once and self.inside:
            self.inside.pop().leave()
            self.left += 1
        task.cancel()
        self.settle()

    @invariant()
    def everybody_is_somewhere(self) -> None:
        """Who came is inside, waits, left, gave up or was turned away; and the gate counts the same."""
        assert self.came == len(self.inside) + len(self.waiting) + self.left + self.gave_up + self.refused
        assert (self.gate.in_flight, self.gate.queued) == (len(self.inside), len(self.waiting))

    @invariant()
    def no_slot_is_idle_while_somebody_waits(self) -> None:
        """And never more are inside than may be."""
        assert self.gate.in_flight <= 3
        assert not self.waiting or self.gate.in_flight >= self.gate.limit


TestGate = GateMachine.TestCase
