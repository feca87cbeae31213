"""``/figures``: how the deployments do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name
from roundhouse.api.guard import needs
from roundhouse.core.desks.figures import DeploymentFigures, FiguresDesk

_Hours = Annotated[int, Query(ge=1, le=2160)]


@dataclass(frozen=True, slots=True)
class Figures:
    """Deployments, busiest first."""

    deployments: Sequence[DeploymentFigures]


def add_figures(router: APIRouter, desk: FiguresDesk) -> None:
    """Add the routes of figures."""

    @router.get("/api/v1/figures", tags=["backends"], openapi_extra=needs(Permission.USAGE_READ))
    async def list_figures(hours: _Hours = 24) -> Figures:
        """List what calls to each deployment were like."""
        return Figures(await desk.figures(None, hours))

    @router.get("/api/v1/backends/{name}/figures", tags=["backends"], openapi_extra=needs(Permission.USAGE_READ))
    async def backend_figures(name: Name, hours: _Hours = 24) -> Figures:
        """List what calls to the deployments of one backend were like."""
        return Figures(await desk.figures(name, hours))
