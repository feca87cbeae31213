"""``/registry``, ``/bundles`` and ``/ensure``: models going out, coming in, and those that ought to be here."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.ensure import EnsureDesk, EnsureReport
from roundhouse.core.desks.exchange import ExchangeDesk, Import, ImportReport, OnConflict
from roundhouse.core.errors import RoundhouseError, VerifyError

_log = structlog.get_logger("roundhouse.api")

#: Requests whose body is larger than any memory: it is read by whoever answers, as it comes.
STREAMED = frozenset({("POST", "/api/v1/bundles")})
_TAR = "application/x-tar"
_MOST_NAMES = 1000
_Names = Annotated[list[Annotated[Text, Query(max_length=512)]], Query(alias="name", max_length=_MOST_NAMES)]


def _takes(kind: str, what: str, permission: Permission) -> dict[str, Any]:
    """Declare a body that is not parsed here."""
    shape = {"type": "string", "format": "binary"} if kind == _TAR else {"type": "object"}
    body = {"required": True, "description": what, "content": {kind: {"schema": shape}}}
    return {**needs(permission), "requestBody": body}


def _gives(kind: str, what: str) -> dict[int | str, dict[str, Any]]:
    """Declare an answer that is no model of ours."""
    return {200: {"description": what, "content": {kind: {}}}}


def add_registry(router: APIRouter, desk: ExchangeDesk) -> None:
    """Add the routes of the registry as a document."""

    @router.get(
        "/api/v1/registry",
        tags=["models"],
        openapi_extra=needs(Permission.MODELS_READ),
        response_class=Response,
        responses=_gives("application/json", "a document as `docs/reference/registry.schema.json` describes it"),
    )
    async def export_registry(name: _Names = []) -> Response:  # noqa: B006 - FastAPI copies it
        """Write down all models of the library, or those named, without their bytes."""
        return Response(await desk.export_registry(name), media_type="application/json")

    @router.post(
        "/api/v1/registry",
        tags=["models"],
        openapi_extra=_takes("application/json", "what the export gave", Permission.MODELS_MANAGE),
    )
    async def import_registry(
        request: Request, *, on_conflict: OnConflict = "fail", dry_run: bool = False, fetch: bool = False
    ) -> ImportReport:
        """Register the models of a document whose bytes are here: all of them or none.

        Those whose bytes are missing are listed; with `fetch` pulls of their exact revisions are started.
        """
        return await desk.import_registry(await request.body(), Import(on_conflict, dry_run, fetch))


def add_bundles(router: APIRouter, desk: ExchangeDesk) -> None:
    """Add the routes of models with their bytes."""

    @router.get(
        "/api/v1/bundles",
        tags=["models"],
        openapi_extra=needs(Permission.MODELS_MANAGE),
        response_class=Response,
        responses=_gives(_TAR, "a tar of plain files, its manifest first; cut off when a byte is not what it was"),
    )
    async def make_bundle(name: _Names = []) -> Response:  # noqa: B006 - FastAPI copies it
        """Pack models with their bytes, for a machine that cannot reach their source."""
        bundle = await desk.bundle(name)
        return _Breakable(bundle.chunks, media_type=_TAR, headers={"content-length": str(bundle.size)})

    @router.post(
        "/api/v1/bundles",
        tags=["models"],
        openapi_extra=_takes(_TAR, "what the bundle was", Permission.MODELS_MANAGE),
    )
    async def import_bundle(
        request: Request, *, on_conflict: OnConflict = "fail", dry_run: bool = False
    ) -> ImportReport:
        """Take in a bundle: all of it when every byte is right, else nothing. It may be of any size.

        With `dry_run` all of it is read and checked, and nothing is kept.
        """
        return await desk.import_bundle(_body(request), Import(on_conflict, dry_run))


def add_ensure(router: APIRouter, desk: EnsureDesk) -> None:
    """Add the route of declared models."""

    @router.post(
        "/api/v1/ensure",
        tags=["models"],
        openapi_extra=_takes(
            "application/json",
            '`{"models": [{"ref": …, "name": …, "revision": …, "pin": …, "tags": […], '
            '"accept_license": …}]}`; only `ref` is needed',
            Permission.MODELS_MANAGE,
        ),
    )
    async def ensure_models(request: Request, *, dry_run: bool = False) -> EnsureReport:
        """Bring declared models to "present and verified": pull what is missing, damaged or another revision.

        Ask again to see how far they are; when all is right, nothing is done.
        """
        return await desk.ensure(await request.body(), dry_run=dry_run, by=request.state.principal.name)


class _Breakable(StreamingResponse):
    """A body that is cut off where its bytes turn out to be wrong: what has been sent cannot be taken back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, to its end if it has one."""
        try:
            await super().__call__(scope, receive, send)
        except RoundhouseError as error:
            _log.warning("a bundle was cut off", code=error.code, reason=error.message)


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises VerifyError when it ends before its end."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        message = "the bundle was cut off on its way"
        raise VerifyError(message) from None
