"""``/licenses``: what models may be used under, and who agreed to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name
from roundhouse.api.guard import needs
from roundhouse.core.desks.licenses import LicenseDetail, LicensesDesk, LicenseView


@dataclass(frozen=True, slots=True)
class Licenses:
    """All licences that were met, by id."""

    licenses: Sequence[LicenseView]


def add_licenses(router: APIRouter, desk: LicensesDesk) -> None:
    """Add the routes of licences. A key is a digest (or eight digits of it), a model, or an id that means one text."""
    path, accept = "/api/v1/licenses", needs(Permission.LICENSES_ACCEPT)

    @router.get(path, tags=["licenses"], openapi_extra=needs(Permission.MODELS_READ))
    async def list_licenses() -> Licenses:
        """List all licences that were met: of models that are here, and of models that somebody wanted."""
        return Licenses(await desk.licenses())

    @router.get(path + "/{key:path}", tags=["licenses"], openapi_extra=needs(Permission.MODELS_READ))
    async def show_license(key: Name) -> LicenseDetail:
        """Show one with its text."""
        return await desk.license(key)

    @router.post(path + "/{key:path}/accept", tags=["licenses"], openapi_extra=accept)
    async def accept_license(key: Name, request: Request) -> LicenseView:
        """Agree to a licence, as whoever sends this; a changed text has to be agreed to anew."""
        return await desk.accept_license(key, request.state.principal.name)

    @router.post(path + "/{key:path}/revoke", tags=["licenses"], openapi_extra=accept)
    async def revoke_license(key: Name, request: Request) -> LicenseView:
        """Take one's own agreement back; models that nobody agreed to any more are not served."""
        return await desk.revoke_license(key, request.state.principal.name)
