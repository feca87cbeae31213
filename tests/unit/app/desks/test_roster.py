import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from roundhouse.app.desks.roster import RosterDesk
from roundhouse.app.fleet import Fleet
from roundhouse.app.rooms import Rooms
from roundhouse.core.errors import NotFoundError
from roundhouse.core.inference import Deployment, Residency
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Feature
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy
from roundhouse.testing.backend import FakeBackend, a_deployment


class Loader(FakeBackend):
    """A backend that has its model in memory; letting go of it ends another."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD})

    def __init__(self, name: str, backends: dict[str, Backend]) -> None:
        super().__init__(name)
        self._backends = backends

    async def deployments(self) -> Sequence[Deployment]:
        """One, in memory."""
        return [replace(a_deployment(f"{self.name}/tiny"), residency=Residency.LOADED)]

    async def unload(self, upstream: str) -> None:  # noqa: ARG002 - the port's
        """All others leave."""
        for name in set(self._backends) - {self.name}:
            del self._backends[name]


async def _house() -> tuple[RosterDesk, dict[str, Backend]]:
    async def stock() -> dict[str, str]:
        return {}

    backends: dict[str, Backend] = {}
    backends |= {name: Loader(name, backends) for name in ("a", "b")}
    fleet = Fleet(backends, lambda _: None, {}, Policy(), Standings(lambda: 0.5), stock)
    await fleet.refresh()
    return RosterDesk(cast("Rooms", SimpleNamespace(fleet=fleet))), backends


@pytest.mark.parametrize("action", ["load_model", "unload_model"])
async def test_what_only_somebody_serves_who_leaves_nobody_serves(action: str) -> None:
    """The snapshot names him until the library was looked at."""
    desk, backends = await _house()
    backends.clear()
    with pytest.raises(NotFoundError):
        await getattr(desk, action)("tiny")


async def test_who_leaves_while_another_unloads_is_not_asked() -> None:
    """His weights left with him."""
    desk, backends = await _house()
    async with asyncio.timeout(5):
        assert 2 == len(await desk.unload_model("tiny"))
    assert 1 == len(backends)
