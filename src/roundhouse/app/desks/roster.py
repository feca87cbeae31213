"""Adding and removing backends, and weights in and out of their memory, for the API and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from roundhouse.app.desks.backends import Backends
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.roster import InMemory, Retired
from roundhouse.core.errors import ConflictError, LicenseError, NotFoundError, SchemaError
from roundhouse.core.inference import Deployment, Residency
from roundhouse.core.runtimes import Feature, Loading
from roundhouse.core.views import BackendStatus


class RosterDesk(Backends):
    """Who serves, and what is in their memory."""

    def __init__(self, rooms: Rooms) -> None:
        super().__init__(rooms)
        self._rooms = rooms

    async def add_backend(self, name: str, section: Mapping[str, object]) -> BackendStatus:
        """Take one in. Raises ConflictError, SchemaError, DiskError."""
        await self._rooms.roster.add(name, section)
        return await self.status_of(name)

    async def remove_backend(self, name: str) -> Retired:
        """Let go of one that was added. Raises NotFoundError, ConflictError, DiskError."""
        return Retired(name, await self._rooms.roster.remove(name))

    async def load_model(self, name: str, *, context: int | None = None, keep_s: float | None = None) -> InMemory:
        """Bring a model into memory. Raises NotFoundError, ConflictError, SchemaError, CapacityError, LicenseError."""
        able = self._able(name, Feature.LOAD)
        if len(able) > 1:
            message = f"{name} is served by {len(able)} backends that load on request"
            raise SchemaError(message, hint=f"name one: {', '.join(sorted(each.id for each in able)[:5])}")
        deployment = able[0]
        if deployment.barred is not None:
            message = f"{deployment.model} {deployment.barred}"
            raise LicenseError(message)
        took_s = await self._loader(deployment).load(deployment.upstream, context=context, keep_s=keep_s)
        await self._rooms.fleet.refresh([deployment.backend])
        return InMemory(deployment.id, loaded=True, seconds=took_s)

    async def unload_model(self, name: str) -> tuple[InMemory, ...]:
        """Let go of its weights wherever they are. Raises NotFoundError, ConflictError, BackendError."""
        there = [each for each in self._able(name, Feature.UNLOAD) if each.residency is not Residency.COLD]
        for deployment in there:
            if deployment.backend in self._rooms.fleet.backends:  # otherwise it left meanwhile, with all it had
                await self._loader(deployment).unload(deployment.upstream)
        await self._rooms.fleet.refresh(sorted({each.backend for each in there}))
        return tuple(InMemory(each.id, loaded=False, seconds=0.0) for each in there)

    def _able(self, name: str, feature: Feature) -> Sequence[Deployment]:
        """Those deployments of *name* whose backend can do that. Raises NotFoundError, ConflictError."""
        fleet = self._rooms.fleet
        places = fleet.snapshot().resolve(name) or ()
        offered = [entry.deployment for place in places for entry in place.entries]
        # A snapshot may still name one that is just leaving.
        served = {each.id: each for each in offered if each.backend in fleet.backends}
        if not served:
            message = f"nobody serves {name}"
            raise NotFoundError(message, hint="see what there is with `roundhouse models ls`")
        able = [each for each in served.values() if feature in fleet.backends[each.backend].features]
        if not able:
            backends = ", ".join(sorted({each.backend for each in served.values()}))
            message = f"{name} is served by {backends}, which loads its models by itself"
            raise ConflictError(message, hint="just ask it something")
        return able

    def _loader(self, deployment: Deployment) -> Loading:
        """The backend, which has named the feature and therefore its methods."""
        return cast("Loading", self._rooms.fleet.backends[deployment.backend])
