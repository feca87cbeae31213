"""``/usage`` and ``/requests``: what was used, and the latest requests one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import When
from roundhouse.api.guard import needs
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.management import UsageDesk
from roundhouse.core.views import Dimension


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage added up, busiest first."""

    by: Dimension
    rows: Sequence[UsageSummary]


@dataclass(frozen=True, slots=True)
class Requests:
    """The latest requests, newest first. No content is kept."""

    requests: Sequence[UsageRecord]


def add_usage(router: APIRouter, desk: UsageDesk) -> None:
    """Add the routes of usage."""

    @router.get("/api/v1/usage", tags=["usage"], openapi_extra=needs(Permission.USAGE_READ))
    async def usage(by: Dimension = "model", since: When | None = None) -> Usage:
        """Add up requests, tokens and cost by model, backend or day."""
        return Usage(by, await desk.usage(by, since))

    @router.get("/api/v1/requests", tags=["usage"], openapi_extra=needs(Permission.USAGE_READ))
    async def list_requests(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Requests:
        """List the latest requests, newest first."""
        return Requests(await desk.requests(limit))
