"""The stores of other runtimes, for the API and the commands."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import cast

from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.stores import Kept
from roundhouse.core.errors import ConflictError, NotFoundError, OfflineError
from roundhouse.core.runtimes import Feature, PullStep, Storing


class StoresDesk:
    """What backends keep."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def pull_at(self, backend: str, model: str) -> AsyncGenerator[PullStep, None]:
        """Let a backend fetch a model. Raises NotFoundError, ConflictError, OfflineError, BackendError on iteration."""
        store = self._store(backend, Feature.PULL)
        if self._rooms.settings.downloads.offline:
            message = f"{backend} would fetch {model} from its registry, and Roundhouse is offline"
            raise OfflineError(message)
        try:
            async for step in store.pull(model):
                yield step
        finally:
            await self._rooms.fleet.refresh([backend])

    async def delete_at(self, backend: str, model: str) -> Kept:
        """Let a backend delete a model. Raises NotFoundError, ConflictError, BackendError."""
        await self._store(backend, Feature.DELETE).delete(model)
        await self._rooms.fleet.refresh([backend])
        return Kept(backend, model)

    async def copy_at(self, backend: str, model: str, name: str) -> Kept:
        """Let a backend give a model a second name. Raises NotFoundError, ConflictError, BackendError."""
        await self._store(backend, Feature.COPY).copy(model, name)
        await self._rooms.fleet.refresh([backend])
        return Kept(backend, name)

    def _store(self, backend: str, feature: Feature) -> Storing:
        found = self._rooms.fleet.backends.get(backend)
        if found is None:
            message = f"no backend {backend}"
            raise NotFoundError(message, hint="see which there are with `roundhouse backends ls`")
        if feature not in found.features:
            message = f"{backend} has no store of its own that could {feature.value} models"
            raise ConflictError(message, hint="the library's own are fetched with `roundhouse pull`")
        return cast("Storing", found)  # whoever names the feature has its methods
