import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from roundhouse.app.fleet import PATIENCE_S, Fleet
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import DiskError, NetworkError
from roundhouse.core.events import BackendLost, BackendRecovered, Event, Events
from roundhouse.core.inference import Deployment
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
