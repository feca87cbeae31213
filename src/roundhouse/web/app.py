"""The pages as one ASGI app: authenticates, asks, renders. Knows nothing about how anything is done."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roundhouse.access.permissions import Permission
from roundhouse.access.principal import Principal
from roundhouse.core.clock import Clock, SystemClock
from roundhouse.core.errors import AuthError, ForbiddenError, InternalError, NotFoundError, RoundhouseError, SchemaError
from roundhouse.core.management import Management
from roundhouse.web import format as formats
from roundhouse.web.assets import Asset, read_assets
from roundhouse.web.pages import overview
from roundhouse.web.plan import standing_of

_log = structlog.get_logger("roundhouse.web")

_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_FOREVER = "public, max-age=31536000, immutable"

_FRESH = {"cache-control": "no-store"}

#: Every page and what it takes to see it.
PAGES = {"/": Permission.STATUS_READ}


class _WrongMethodError(SchemaError):
    """A page can only be looked at."""

    status = HTTPStatus.METHOD_NOT_ALLOWED


def create_web(
    management: Management,
    authenticate: Callable[[Scope], Principal],
    *,
    clock: Clock = SystemClock(),  # noqa: B008 - holds nothing
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> ASGIApp:
    """Build the app. *authenticate* raises AuthError or ForbiddenError."""
    assets = read_assets()
    by_path = {asset.path: asset for asset in assets.values()}
    return Web(management, authenticate, clock, new_id, by_path, _environment(assets))


def _environment(assets: Mapping[str, Asset]) -> Environment:
    """Prepare the templates: everything is escaped, and a name that does not exist is an error."""
    environment = Environment(
        loader=PackageLoader("roundhouse.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("size", "count", "duration", "cost", "price"):
        environment.filters[name] = getattr(formats, name)
    environment.filters["standing"] = standing_of
    environment.globals["assets"] = {name: asset.path for name, asset in assets.items()}
    return environment


@dataclass(frozen=True, slots=True)
class Web:
    """Serves the pages and their assets."""

    management: Management
    authenticate: Callable[[Scope], Principal]
    clock: Clock
    new_id: Callable[[], str]
    assets: Mapping[str, Asset]
    templates: Environment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong is a page too."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        request_id = self.new_id()
        try:
            response = await self.respond(request)
        except RoundhouseError as error:
            response = self._problem(error, request_id)
        except Exception:  # noqa: BLE001 - the request boundary
            _log.exception("page failed", request_id=request_id, path=scope["path"])
            response = self._problem(InternalError(), request_id)
        await response(scope, receive, _with_headers(send, request_id))

    async def respond(self, request: Request) -> Response:
        """Find the page or the asset."""
        path = request.scope["path"]
        asset = self.assets.get(path)
        try:
            principal = self.authenticate(request.scope)
        except AuthError:  # an asset is nobody's secret, and the page that asks for a key needs its style
            if asset is None:
                raise
            return _of_asset(asset)
        if asset is not None:
            return _of_asset(asset)
        return await self._page(request, principal)

    async def _page(self, request: Request, principal: Principal) -> Response:
        permission = PAGES.get(request.scope["path"])
        if permission is None:
            message = "there is no page at this address"
            raise NotFoundError(message, hint="the first page is at /")
        if request.method not in {"GET", "HEAD"}:
            raise _WrongMethodError
        if not principal.can(permission):
            message = f"this page needs the permission {permission.value}"
            raise ForbiddenError(message)
        shown = await overview(
            self.management,
            may_see_requests=principal.can(Permission.USAGE_READ),
            may_manage=principal.can(Permission.BACKENDS_MANAGE),
        )
        now = self.clock.now()
        html = self.templates.get_template("page.html").render(page=shown, now=now, ago=formats.ago(now))
        return HTMLResponse(html, headers=_FRESH)

    def _problem(self, error: RoundhouseError, request_id: str) -> Response:
        html = self.templates.get_template("error.html").render(error=error, request_id=request_id)
        allow = {"allow": "GET, HEAD"} if isinstance(error, _WrongMethodError) else {}
        return HTMLResponse(html, error.status, headers=_FRESH | allow)


def _of_asset(asset: Asset) -> Response:
    return Response(asset.content, headers={"cache-control": _FOREVER}, media_type=asset.media_type)


def _with_headers(send: Send, request_id: str) -> Send:
    """Say on every answer what a browser may do with it."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**_HEADERS, "x-request-id": request_id})
        await send(message)

    return sending
