"""The management API as one ASGI app. Knows nothing about how anything is done: it calls `Management`."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from roundhouse import __version__
from roundhouse.access.permissions import Permission
from roundhouse.access.principal import Principal
from roundhouse.api.border import Border, Limits
from roundhouse.api.errors import ErrorAnswer, tell, tell_http, tell_invalid
from roundhouse.api.guard import GuardedRoute, needs
from roundhouse.api.nouns.backends import add_backends
from roundhouse.api.nouns.events import EventSocket, add_events
from roundhouse.api.nouns.exchange import STREAMED, add_bundles, add_ensure, add_registry
from roundhouse.api.nouns.figures import add_figures
from roundhouse.api.nouns.keeping import add_keeping
from roundhouse.api.nouns.licenses import add_licenses
from roundhouse.api.nouns.migrations import add_migrations
from roundhouse.api.nouns.models import add_browse, add_models
from roundhouse.api.nouns.repair import add_repair
from roundhouse.api.nouns.revisions import add_revisions
from roundhouse.api.nouns.roster import add_roster
from roundhouse.api.nouns.route import add_route
from roundhouse.api.nouns.status import add_status
from roundhouse.api.nouns.stores import add_stores
from roundhouse.api.nouns.transfers import add_bandwidth, add_steering, add_transfers
from roundhouse.api.nouns.usage import add_usage
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.management import Management

_DESCRIPTION = (
    "Manage a Roundhouse: its models, transfers, backends, routes and usage. Models themselves answer under `/v1`."
)


def create_api(
    management: Management,
    authenticate: Callable[[Scope], Principal],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> ASGIApp:
    """Build the app. *authenticate* raises AuthError or ForbiddenError; paths are whole (``/api/v1/…``)."""
    transports = _Transports(build(management), EventSocket(management))
    return Border(transports, authenticate, new_id, limits, STREAMED)


@dataclass(frozen=True, slots=True)
class _Transports:
    """Routes for requests, and what answers a WebSocket: the framework would swallow our errors there."""

    routes: ASGIApp
    socket: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over to one of them."""
        await (self.socket if scope["type"] == "websocket" else self.routes)(scope, receive, send)


def build(management: Management) -> FastAPI:
    """Build the routes without the border before them."""
    api = FastAPI(
        title="Roundhouse management API",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,  # served by a guarded route of our own
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        responses={"default": {"model": ErrorAnswer, "description": "what went wrong, and what to do next"}},
    )
    api.router.route_class = GuardedRoute
    for error, teller in ((RoundhouseError, tell), (RequestValidationError, tell_invalid), (HTTPException, tell_http)):
        api.add_exception_handler(error, teller)
    api.add_exception_handler(Exception, tell)  # answers; the border logs
    _add_routes(api, management)
    return api


def _add_routes(api: FastAPI, management: Management) -> None:
    add_status(api.router, management)
    add_revisions(api.router, management)
    add_models(api.router, management)
    add_repair(api.router, management)
    add_keeping(api.router, management)
    add_roster(api.router, management)
    add_stores(api.router, management)
    add_browse(api.router, management)
    add_registry(api.router, management)
    add_bundles(api.router, management)
    add_ensure(api.router, management)
    add_migrations(api.router, management)
    add_transfers(api.router, management)
    add_steering(api.router, management)
    add_bandwidth(api.router, management)
    add_backends(api.router, management)
    add_figures(api.router, management)
    add_route(api.router, management)
    add_usage(api.router, management)
    add_licenses(api.router, management)
    add_events(api.router, management)

    @api.get("/api/v1/openapi.json", include_in_schema=False, openapi_extra=needs(Permission.STATUS_READ))
    async def openapi() -> Any:
        """Give the schema of all this."""
        return JSONResponse(api.openapi())
