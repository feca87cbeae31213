"""``/models/…/updates``, ``/update`` and ``/rollback``: newer revisions, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Query

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.revisions import RevisionsDesk, Rollback, Update, UpdateCheck


def add_revisions(router: APIRouter, desk: RevisionsDesk) -> None:
    """Add the routes; before those of models, whose names take everything that follows."""

    @router.get("/api/v1/models/{name:path}/updates", tags=["models"], openapi_extra=needs(Permission.MODELS_READ))
    async def check_update(name: Name) -> UpdateCheck:
        """Look for a newer revision at the model's source, and fetch nothing."""
        return await desk.check_update(name)

    @router.post("/api/v1/models/{name:path}/update", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def update_model(name: Name, *, dry_run: bool = False) -> Update:
        """Begin to fetch the newer revision, if there is one.

        The old one is served until all bytes of the new one are here and right, and is kept beside it then.
        """
        return await desk.update_model(name, dry_run=dry_run)

    @router.post("/api/v1/models/{name:path}/rollback", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def roll_back_model(
        name: Name,
        to: Annotated[
            Text | None, Query(min_length=1, max_length=255, description="the beginning of a revision")
        ] = None,
        *,
        dry_run: bool = False,
    ) -> Rollback:
        """Serve an older revision again, at once and without the network; the one that is served now is kept."""
        return await desk.roll_back_model(name, to, dry_run=dry_run)
