import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from roundhouse.app.fleet import PATIENCE_S, Fleet
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import DiskError, NetworkError
from roundhouse.core.events import BackendLost, BackendRecovered, Event, Events, ResidencyChanged
from roundhouse.core.inference import Deployment, Residency
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Traits
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy
from roundhouse.testing.backend import FakeBackend, a_deployment


class Moody(FakeBackend):
    """A backend that is away at times."""

    is_away = False

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, if it is there."""
        if self.is_away:
            message = "refused"
            raise NetworkError(message)
        return await super().deployments()


class Liar(FakeBackend):
    """A backend that says *told* of its one model."""

    def __init__(self, told: Deployment) -> None:
        super().__init__("a")
        self._told = told

    async def deployments(self) -> Sequence[Deployment]:
        """That."""
        return [self._told]


class Slow(FakeBackend):
    """A backend that answers when it may."""

    def __init__(self) -> None:
        super().__init__("a")
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, at last."""
        self.asked.set()
        await self.may_answer.wait()
        return await super().deployments()


async def _no_stock() -> dict[str, str]:
    return {}


async def test_a_backend_that_is_lost_and_found_is_told_of_once_each() -> None:
    """However often it is asked in between; what it served stays known."""
    backend, events, told = Moody("a"), Events(), list[Event]()
    events.subscribe(told.append)
    fleet = Fleet({"a": backend}, lambda _: None, {}, Policy(), Standings(lambda: 0.5), _no_stock)
    fleet.listen(events, tuple)
    for is_away in (False, True, True, False, False):
        backend.is_away = is_away
        await fleet.refresh()
    assert [BackendLost("a", "refused"), BackendRecovered("a")] == told
    assert ["a/tiny"] == [each.id for each in fleet.deployments()]


def test_a_backend_that_is_silent_can_still_say_what_is_configured_for_it() -> None:
    """It gives up before it is given up: two nodes that start together and name each other's models know them."""
    assert Terms().list_s < PATIENCE_S


async def test_figures_that_cannot_be_are_as_if_nobody_had_told_them() -> None:
    """Whichever kind of backend told them: with no slots nobody would ever be let in."""
    told = replace(a_deployment("a/tiny"), context=-1, traits=Traits(slots=0, parameters=7))
    fleet = Fleet({"a": Liar(told)}, lambda _: None, {}, Policy(), Standings(lambda: 0.5), _no_stock)
    await fleet.refresh()
    (one,) = fleet.deployments()
    assert (None, Traits(parameters=7)) == (one.context, one.traits)


async def test_who_leaves_while_it_is_asked_offers_nothing() -> None:
    """Otherwise requests would be sent to nobody."""
    backend, backends = Slow(), dict[str, Backend]()
    backends["a"] = backend
    fleet = Fleet(backends, lambda _: None, {}, Policy(), Standings(lambda: 0.5), _no_stock)
    asking = asyncio.create_task(fleet.refresh())
    await backend.asked.wait()
    del backends["a"]
    await fleet.forget("a")
    backend.may_answer.set()
    await asking
    await fleet.refresh(["a"])
    assert () == fleet.deployments()


class Forgetful(FakeBackend):
    """A backend whose one model comes into memory and leaves it; told to whoever waits for a look."""

    residency = Residency.COLD
    is_there = True
    looks = 0

    def __init__(self) -> None:
        super().__init__("a")
        self.looked = asyncio.Condition()

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves."""
        async with self.looked:
            self.looks += 1
            self.looked.notify_all()
        return [a_deployment("a/tiny", residency=self.residency)] if self.is_there else []

    async def seen(self, looks: int) -> None:
        """Until it was asked so often."""
        async with self.looked:
            await asyncio.wait_for(self.looked.wait_for(lambda: self.looks >= looks), 5)


def fleet_of(backend: FakeBackend) -> Fleet:
    """A fleet of one."""
    return Fleet({"a": backend}, lambda _: None, {}, Policy(), Standings(lambda: 0.5), _no_stock)


@asynccontextmanager
async def kept(fleet: Fleet) -> AsyncIterator[Fleet]:
    """A fleet that is kept current."""
    await fleet.refresh()
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_a_call_has_loaded_is_known_at_once() -> None:
    """And told, when the snapshot says so already."""
    backend, events, told = Forgetful(), Events(), asyncio.Queue[tuple[Event, bool]]()
    fleet = fleet_of(backend)
    events.subscribe(lambda event: told.put_nowait((event, fleet.offered("a")[0].residency is Residency.LOADED)))
    fleet.listen(events, tuple)
    async with kept(fleet):
        backend.residency = Residency.LOADED
        fleet.warmed("a")
        assert (ResidencyChanged("a", "tiny", loaded=True), True) == await asyncio.wait_for(told.get(), 5)


async def test_many_calls_are_one_question() -> None:
    """And those that come right after it have to wait."""
    backend = Forgetful()
    async with kept(fleet_of(backend)) as fleet:
        for _ in range(50):
            fleet.warmed("a")
        await backend.seen(2)
        for _ in range(50):
            fleet.warmed("a")
            await asyncio.sleep(0)
    assert 2 == backend.looks


@pytest.mark.parametrize(("telling", "expected"), [((), [False, True, False]), (("a",), [])])
async def test_residency_is_told_by_one(telling: tuple[str, ...], expected: list[bool]) -> None:
    """Whoever tells it himself is not told of again; what nobody knows of has not changed."""
    backend, events, told = Forgetful(), Events(), list[Event]()
    events.subscribe(told.append)
    fleet = fleet_of(backend)
    fleet.listen(events, lambda: telling)
    steps = [Residency.LOADED, Residency.LOADED, Residency.UNKNOWN, Residency.LOADED, Residency.COLD, Residency.LOADED]
    for backend.residency in steps:
        await fleet.refresh()
    backend.is_there = False
    await fleet.refresh()
    assert expected == [event.loaded for event in told if isinstance(event, ResidencyChanged)]


async def test_what_a_backend_says_of_itself_is_looked_at() -> None:
    """Though it is asked as a rule; it is not told twice."""
    backend, events, told = Forgetful(), Events(), list[Event]()
    fleet = fleet_of(backend)
    fleet.listen(events, tuple)
    async with kept(fleet):
        backend.residency = Residency.LOADED
        events.subscribe(told.append)
        events.publish(loaded := ResidencyChanged("a", "tiny", loaded=True))
        await backend.seen(2)
        await fleet.refresh()
    assert ([loaded], Residency.LOADED) == (told, fleet.offered("a")[0].residency)


class Foreign(FakeBackend):
    """A backend of somebody who knows nothing of our errors."""

    async def deployments(self) -> Sequence[Deployment]:
        """What is no answer."""
        message = "s3cret"
        raise LookupError(message)


async def test_a_foreign_exception_is_a_trouble_of_that_backend_alone() -> None:
    """What the others serve is served, and of a foreign exception no more than its kind is told."""
    backends: dict[str, Backend] = {"a": Foreign("a"), "b": FakeBackend("b")}
    fleet = Fleet(backends, lambda _: None, {}, Policy(), Standings(lambda: 0.5), _no_stock)
    await fleet.refresh()
    assert ["b/tiny"] == [each.id for each in fleet.deployments()]
    assert "cannot say what it serves: LookupError" == fleet.trouble("a")


@pytest.mark.parametrize("error", [DiskError("away"), OSError("away")])
async def test_while_the_library_cannot_be_asked_it_holds_what_it_held(error: Exception) -> None:
    """The next round asks again."""
    answers: list[dict[str, str] | Exception] = [{"m": "mlx"}, error, {}]

    async def stock() -> dict[str, str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    fleet = Fleet({"a": FakeBackend("a")}, lambda _: None, {}, Policy(), Standings(lambda: 0.5), stock)
    held = []
    for _ in range(3):
        await fleet.refresh()
        held.append(dict(fleet.snapshot().held))
    assert [{"m": "mlx"}, {"m": "mlx"}, {}] == held
