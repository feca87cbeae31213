"""``/status`` and ``/doctor``: how the house is."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from roundhouse.access.permissions import Permission
from roundhouse.api.guard import needs
from roundhouse.core.management import StatusDesk
from roundhouse.core.views import Check, Status


@dataclass(frozen=True, slots=True)
class Checks:
    """The server's part of `doctor`."""

    checks: Sequence[Check]


def add_status(router: APIRouter, desk: StatusDesk) -> None:
    """Add the routes of the state as a whole."""

    @router.get("/api/v1/status", tags=["status"], openapi_extra=needs(Permission.STATUS_READ))
    async def status() -> Status:
        """Tell the state at a glance."""
        return await desk.status()

    @router.get("/api/v1/doctor", tags=["status"], openapi_extra=needs(Permission.STATUS_READ))
    async def doctor() -> Checks:
        """Ask the questions that only the server can answer."""
        return Checks(await desk.checks())
