"""``/transfers``: bytes on their way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import LimitRequest, Name, PriorityRequest, PullRequest, SharedLimitRequest
from roundhouse.api.guard import needs
from roundhouse.core.management import TransfersDesk
from roundhouse.core.views import Bandwidth, PullPlan, TransferView


@dataclass(frozen=True, slots=True)
class Transfers:
    """Transfers, newest first."""

    transfers: Sequence[TransferView]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pull would do."""

    plan: PullPlan


def add_transfers(router: APIRouter, desk: TransfersDesk) -> None:
    """Add the routes of transfers."""

    @router.post(
        "/api/v1/transfers",
        tags=["transfers"],
        status_code=HTTPStatus.ACCEPTED,
        responses={HTTPStatus.OK: {"model": Plan, "description": "`dry_run`: what the pull would do"}},
        openapi_extra=needs(Permission.MODELS_MANAGE),
    )
    async def pull(request: PullRequest, response: Response, asked: Request) -> TransferView | Plan:
        """Start a pull, or join the one of the same reference that is under way."""
        by = asked.state.principal.name
        if request.dry_run:
            response.status_code = HTTPStatus.OK
            return Plan(await desk.plan_pull(request.ref, request.name, by=by))
        return await desk.start_pull(request.ref, request.name, by=by)

    @router.get("/api/v1/transfers", tags=["transfers"], openapi_extra=needs(Permission.MODELS_READ))
    async def list_transfers() -> Transfers:
        """List transfers, newest first."""
        return Transfers(await desk.transfers())

    @router.get("/api/v1/transfers/{id}", tags=["transfers"], openapi_extra=needs(Permission.MODELS_READ))
    async def show_transfer(id: Name) -> TransferView:  # noqa: A002 - the field's word, and the contract's
        """Show one transfer with its speed."""
        return await desk.transfer(id)

    @router.delete("/api/v1/transfers/{id}", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def forget_transfer(id: Name) -> TransferView:  # noqa: A002 - the field's word
        """Take a transfer that is over from the list; its model stays, and so does what has arrived of a failed one."""
        return await desk.forget_transfer(id)


def add_steering(router: APIRouter, desk: TransfersDesk) -> None:
    """Add the routes that change a transfer under way."""

    @router.post("/api/v1/transfers/{id}/pause", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def pause(id: Name) -> TransferView:  # noqa: A002 - the field's word
        """Let a transfer wait, also across restarts, until it is resumed."""
        return await desk.pause_transfer(id)

    @router.post("/api/v1/transfers/{id}/resume", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def resume(id: Name) -> TransferView:  # noqa: A002 - the field's word
        """Let a paused transfer go on where it stopped."""
        return await desk.resume_transfer(id)

    @router.post("/api/v1/transfers/{id}/cancel", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def cancel(id: Name) -> TransferView:  # noqa: A002 - the field's word
        """End a transfer and keep nothing of it."""
        return await desk.cancel_transfer(id)

    @router.put("/api/v1/transfers/{id}/bandwidth", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def limit_transfer(id: Name, request: LimitRequest) -> TransferView:  # noqa: A002 - the field's word
        """Let one transfer take so many bytes per second at most, from now on."""
        return await desk.limit_transfer(id, request.bandwidth)

    @router.put("/api/v1/transfers/{id}/priority", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def prioritize(id: Name, request: PriorityRequest) -> TransferView:  # noqa: A002 - the field's word
        """Let one transfer be sooner or later than others that wait."""
        return await desk.prioritize_transfer(id, request.priority)


def add_bandwidth(router: APIRouter, desk: TransfersDesk) -> None:
    """Add the routes of the limit that all transfers share."""

    @router.get("/api/v1/bandwidth", tags=["transfers"], openapi_extra=needs(Permission.MODELS_READ))
    async def show_bandwidth() -> Bandwidth:
        """Tell how fast all transfers together may be."""
        return await desk.bandwidth()

    @router.put("/api/v1/bandwidth", tags=["transfers"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def limit_bandwidth(request: SharedLimitRequest) -> Bandwidth:
        """Let all transfers together, or those from one source, take so many bytes per second until the next start."""
        return await desk.limit_transfers(request.bandwidth, request.source)
