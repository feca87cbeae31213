"""The models that can be asked for, for the API and the pages: what the library holds and what backends offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roundhouse.app.desks import views
from roundhouse.app.desks.twins import twins
from roundhouse.app.rooms import Rooms
from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.inference import Deployment
from roundhouse.core.views import Model, ModelDetail, Removal, Verification


class Models:
    """The library and the fleet, seen as one list."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def models(self) -> Sequence[Model]:
        """List all of them, by name."""
        return await self._rooms.listing.models()

    async def model(self, name: str) -> ModelDetail:
        """Show one. Raises NotFoundError."""
        served = self._served()
        artifact = await self._held(name)
        if artifact is not None:
            who = served.get(artifact.model, ())
            disk = await self._rooms.listing.disk_use(artifact)
            shown = views.detail(await self._rooms.listing.model(artifact.model, artifact), artifact, who, disk)
            older = await self._rooms.library.older(artifact.model)
            seal, problem = await self._rooms.library.seal_of(artifact)
            return replace(
                shown,
                revisions=views.revisions(artifact, older),
                signed_by=seal.signed_by,
                signature=problem or seal.notice,
                same=twins(self._rooms.fleet.snapshot(), artifact.model, who),
                memory=self._rooms.memory.of_model(artifact.model),
            )
        name = self._model_of(name, served)
        shown = views.detail(await self._rooms.listing.model(name, None), None, served[name])
        return replace(shown, same=twins(self._rooms.fleet.snapshot(), name, served[name]))

    async def remove_model(self, name: str, *, dry_run: bool) -> Removal:
        """Take one out of the library. Raises NotFoundError; ConflictError when it is not ours to remove."""
        artifact = await self.ours(name, "be removed")
        artifact, freed = await self._rooms.library.removal(artifact.model)
        if not dry_run:
            freed = await self._rooms.library.remove(artifact.model)
            await self._rooms.fleet.refresh()
        return Removal(artifact.model, freed, dry_run)

    async def verify_model(self, name: str, *, quick: bool = False) -> Verification:
        """Read all its bytes again, or only look at size, header and time of change. Raises NotFoundError."""
        artifact = await self.ours(name, "be verified")
        return views.verification(await self._rooms.library.verify(artifact.model, quick=quick))

    def _served(self) -> Mapping[str, tuple[Deployment, ...]]:
        """Deployments by model."""
        return self._rooms.listing.served()

    async def _held(self, name: str) -> Artifact | None:
        try:
            return await self._rooms.library.find(name)
        except NotFoundError:
            return None

    async def ours(self, name: str, what: str) -> Artifact:
        """The artifact that *name* means; says so when only a backend has the model."""
        try:
            return await self._rooms.library.find(name)
        except NotFoundError:
            served = self._served()
            if name not in served:
                raise
            message = f"{name} is served by {served[name][0].backend} and not in the library, so it cannot {what} here"
            raise ConflictError(message, hint="see what the library holds with `roundhouse models ls`") from None

    def _model_of(self, name: str, served: Mapping[str, tuple[Deployment, ...]]) -> str:
        """The model that *name* means: itself, a deployment's id, or a tag left out. Raises NotFoundError."""
        if name in served:
            return name
        snapshot = self._rooms.fleet.snapshot()
        found = [entry for place in snapshot.resolve(name) or () for entry in place.entries]
        models = {entry.deployment.model for entry in found if snapshot.whose(name, entry.id) is None}
        if len(models) == 1:
            return models.pop()
        close = snapshot.close_to(name)
        message = f"no model {name}"
        hint = f"did you mean {' or '.join(close)}?" if close else "see what there is with `roundhouse models ls`"
        raise NotFoundError(message, hint=hint)
