"""``/backends``: those who serve."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, TrialRequest
from roundhouse.api.guard import needs
from roundhouse.core.desks.trial import BackendTest, Trial
from roundhouse.core.management import BackendsDesk
from roundhouse.core.views import BackendStatus

_QUIETLY = TrialRequest()


@dataclass(frozen=True, slots=True)
class Backends:
    """Those who serve."""

    backends: Sequence[BackendStatus]


def add_backends(router: APIRouter, desk: BackendsDesk) -> None:
    """Add the routes of backends."""

    @router.get("/api/v1/backends", tags=["backends"], openapi_extra=needs(Permission.STATUS_READ))
    async def list_backends() -> Backends:
        """List all backends with their health."""
        return Backends(await desk.backends())

    @router.post("/api/v1/backends/{name}/test", tags=["backends"], openapi_extra=needs(Permission.BACKENDS_MANAGE))
    async def test_backend(name: Name, request: TrialRequest = _QUIETLY) -> BackendTest:
        """Try one backend. One that fails is an answer (`ok: false`), not an error."""
        trial = Trial(request.prompt or request.baseline, request.model, request.baseline)
        return await desk.test_backend(name, trial)
