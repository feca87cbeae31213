"""``/models/…/repair``: making the bytes of a model right again."""

from fastapi import APIRouter

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name
from roundhouse.api.guard import needs
from roundhouse.core.desks.repair import Repair, RepairDesk


def add_repair(router: APIRouter, desk: RepairDesk) -> None:
    """Add the route of repairs."""

    @router.post("/api/v1/models/{name:path}/repair", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def repair_model(name: Name, *, dry_run: bool = False) -> Repair:
        """Bring wrong bytes anew, from other models here or from the source; quarantine what cannot be repaired.

        Only damaged chunks move. What stays wrong is an answer (`ok: false`, with an error per file), not an error.
        """
        return await desk.repair_model(name, dry_run=dry_run)
