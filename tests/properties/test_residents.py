"""Who is in memory, under any order of arrivals, answers, crashes and time: against what must hold of it always."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from roundhouse.backends.children.child import Child, KilledError
from roundhouse.backends.children.resident import Lease, Loaded, Resident, State
from roundhouse.backends.children.residents import HouseRules, Residents
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError, CapacityError, ConflictError
from roundhouse.core.ports import BackendHealth

#: Bytes that they take in memory, of 100 in all.
SIZES = {"small": 15, "middle": 30, "large": 60, "whole": 98, "huge": 120}
NAMES = st.sampled_from(sorted(SIZES))
LOAD_S, ROOM_S, IDLE_S = 2.0, 10.0, 30.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes when it is told to."""

    now = 0.0

    def time(self) -> float:
        """Seconds since it began."""
        return self.now


class FakeChild:
    """A process that is there until it is stopped or crashes."""

    def __init__(self, world: World, resident: Resident) -> None:
        self.pid, self.runtime, self.ending = 1, "fake", "killed"
        self.is_alive = True
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._world, self._resident = world, resident

    async def stop(self) -> None:
        """Leave, which takes a moment; nobody may be cut off by that."""
        if self.is_alive:
            self._world.cut += [name for name, child in self._world.answering.values() if child is self]
            if self._resident.pin is not None and not self._resident.is_outdated:
                self._world.sent_away.append(self._resident)
            await asyncio.sleep(0.5)
        self.crash()

    def crash(self) -> None:
        """Be gone."""
        self.is_alive = False
        self._world.taken.pop(self._resident, None)
        if not self.exited.done():
            self.exited.set_result(None)


class FakeClient:
    """The way to it."""

    async def health(self) -> BackendHealth:
        """Say that all is well."""
        return BackendHealth(ok=True, detail="")

    async def close(self) -> None:
        """Do nothing."""


class World:
    """What really happens, counted apart from those who are tested."""

    def __init__(self) -> None:
        #: Bytes that living children take, and the most that they ever took.
        self.taken: dict[Resident, int] = {}
        self.most = 0
        #: Requests that are being answered, and by which child.
        self.answering: dict[int, tuple[str, FakeChild]] = {}
        #: Requests that lost the child that answered them, and pinned models that had to go.
        self.cut: list[str] = []
        self.sent_away: list[Resident] = []
        #: What the next load ends in.
        self.failing: type[BackendError] | None = None

    async def start(self, resident: Resident) -> Loaded:
        """Load one."""
        self.taken[resident] = resident.need
        self.most = max(self.most, sum(self.taken.values()))
        await asyncio.sleep(LOAD_S)
        if self.failing is not None:
            kind, self.failing = self.failing, None
            del self.taken[resident]
            message = "it did not load"
            raise kind(message)
        return Loaded(cast("Child", FakeChild(self, resident)), cast("OpenAICompatible", FakeClient()))


class Memory(RuleBasedStateMachine):
    """Requests come, wait, are answered, give up; models are loaded, evicted, replaced and crash."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.world = VirtualLoop(), World()
        self.requests: dict[int, asyncio.Task[None]] = {}
        self.doors: dict[int, asyncio.Event] = {}

    @initialize(pinned=st.sampled_from([(), ("small",), ("middle",), ("small", "middle")]))
    def open(self, pinned: tuple[str, ...]) -> None:
        """Begin with nothing in memory."""
        rules = HouseRules(memory=100, room_s=ROOM_S, idle_s=IDLE_S)
        self.pinned = pinned
        self.residents = Residents(rules, self.meet, lambda _name, _loaded: None)

    def meet(self, name: str) -> Resident:
        """A model that is needed for the first time."""

        async def lease() -> Lease:
            return Lease(SIZES[name], 0, partial(self.world.start, resident))

        resident = Resident(name, lease, pin="pinned" if name in self.pinned else None)
        return resident

    def run(self, work: Awaitable[None] | None = None) -> None:
        """Let everybody do what can be done now."""

        async def settle() -> None:
            if work is not None:
                await work
            for _ in range(60):
                await asyncio.sleep(0)

        self.loop.run_until_complete(settle())

    async def request(self, number: int, name: str) -> None:
        """Ask a model, and keep it busy until the door opens."""
        resident = self.residents.enter(name)
        try:
            loaded = await self.residents.ready(resident)
            self.world.answering[number] = name, cast("FakeChild", loaded.child)
            await self.doors[number].wait()
        finally:
            self.world.answering.pop(number, None)
            self.residents.leave(resident, served=True)

    @rule(name=NAMES)
    def arrive(self, name: str) -> None:
        """One more request."""
        number = len(self.requests)
        self.doors[number] = asyncio.Event()
        self.requests[number] = self.loop.create_task(self.request(number, name))
        self.run()

    @precondition(lambda self: self.world.answering)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """One of those in work is through."""
        self.doors[data.draw(st.sampled_from(sorted(self.world.answering)))].set()
        self.run()

    @precondition(lambda self: any(not task.done() for task in self.requests.values()))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """A client goes away, waiting or not."""
        number = data.draw(st.sampled_from([each for each, task in self.requests.items() if not task.done()]))
        self.requests[number].cancel()
        self.run()

    @precondition(lambda self: self.world.answering)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """A child dies, and what it answered with it."""
        number = data.draw(st.sampled_from(sorted(self.world.answering)))
        child = self.world.answering[number][1]
        lost = [each for each, (_, one) in self.world.answering.items() if one is child]
        child.crash()
        for each in lost:
            self.requests[each].cancel()
        self.run()

    @rule(kind=st.sampled_from([BackendError, KilledError]))
    def fail_to_load(self, kind: type[BackendError]) -> None:
        """The next load goes wrong."""
        self.world.failing = kind

    @rule(name=NAMES)
    def replace(self, name: str) -> None:
        """The library has another revision of it."""

        async def outdate() -> None:
            self.residents.outdate(name)

        self.run(outdate())

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        """Somebody wants it gone, which is refused when it may not go."""

        async def unload() -> None:
            with suppress(ConflictError):
                await self.residents.unload(name)

        self.requests[len(self.requests)] = self.loop.create_task(unload())
        self.run()

    @rule()
    def preload(self) -> None:
        """Somebody asks what there is."""

        async def load() -> None:
            for name in self.pinned:
                self.residents.preload(name)

        self.run(load())

    @rule(seconds=st.sampled_from([0.5, 2.0, 11.0, 31.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.loop.now += seconds
        self.run()

    @invariant()
    def the_budget_holds(self) -> None:
        """Neither what lives nor what is reckoned is ever more than was allowed."""
        assert self.world.most <= 100
        if hasattr(self, "residents"):
            assert self.residents.memory_used() <= 100

    @invariant()
    def nobody_is_cut_off(self) -> None:
        """Who answers is not sent away, and who is pinned neither."""
        assert not self.world.cut
        assert not self.world.sent_away

    def teardown(self) -> None:
        """Everybody is through in the end: answered, refused, or gone by themselves."""
        for _ in range(len(self.requests) + 5):
            for door in self.doors.values():
                door.set()
            self.loop.now += ROOM_S / 2
            self.run()
        for task in self.requests.values():
            assert task.done()
            if not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), CapacityError | BackendError)
        if hasattr(self, "residents"):
            self.close()
        self.loop.close()

    def close(self) -> None:
        """Stop what is left, which nobody serves from any more."""
        assert State.STARTING not in {resident.state for resident in self.residents._all}
        self.world.answering.clear()
        closing = self.loop.create_task(self.residents.close())
        for _ in range(5):
            self.loop.now += 1.0
            self.run()
        assert closing.done()
        assert not self.world.taken


TestMemory = Memory.TestCase


def test_one_that_is_replaced_while_it_waits_for_room_counts() -> None:
    """Also when nobody asks for it any more: it goes on loading, and leaves again."""
    memory = Memory()
    memory.open(())
    memory.arrive("whole")
    memory.wait(LOAD_S)
    memory.arrive("large")
    memory.requests[1].cancel()
    memory.replace("large")
    memory.doors[0].set()
    memory.run()
    memory.wait(0.5)
    assert [SIZES["large"]] == list(memory.world.taken.values())
    assert SIZES["large"] == memory.residents.memory_used()
    memory.wait(LOAD_S)
    memory.wait(0.5)
    assert ([], {}) == (memory.residents.names_in_use(), memory.world.taken)
    memory.teardown()


def test_one_that_is_killed_while_it_loads_is_started_once_more() -> None:
    """Who waits had no part in that, and hears nothing of it."""
    memory = Memory()
    memory.open(())
    memory.fail_to_load(KilledError)
    memory.arrive("small")
    memory.wait(LOAD_S)
    memory.wait(LOAD_S)
    assert [0] == list(memory.world.answering)
    memory.teardown()
