from collections.abc import Sequence

from roundhouse.app.fleet import PATIENCE_S, Fleet
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import NetworkError
from roundhouse.core.events import BackendLost, BackendRecovered, Event, Events
from roundhouse.core.inference import Deployment
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy
from roundhouse.testing.backend import FakeBackend


class Moody(FakeBackend):
    """A backend that is away at times."""

    is_away = False

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, if it is there."""
        if self.is_away:
            message = "refused"
            raise NetworkError(message)
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
