"""Who answers which path: the model-facing dialects, the management API, the pages, and three paths for machines.

Knows nothing about permission: each of those recognises the caller itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import count
from typing import Any

from roundhouse import api as api_room
from roundhouse.access.permissions import Permission
from roundhouse.app import Roundhouse
from roundhouse.core.errors import RoundhouseError
from roundhouse.gateway import BARE, Gateway, Limits
from roundhouse.server.catalogue import Catalogue
from roundhouse.telemetry.metrics import CONTENT_TYPE
from roundhouse.web import create_web

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def mount(roundhouse: Roundhouse) -> Application:
    """One application for everything at one address."""
    rooms = roundhouse.rooms
    gateway = Gateway(
        rooms.answering,
        roundhouse.authenticate,
        Catalogue(rooms.fleet.snapshot, int(rooms.started_at.timestamp())),
        new_ids(secrets.token_hex(8)),
        limits=Limits(body=roundhouse.settings.server.max_body),
        node=roundhouse.node,
    )
    limits = api_room.Limits(body=roundhouse.settings.server.max_body)
    api = api_room.create_api(roundhouse.management, roundhouse.authenticate, limits=limits)
    web = create_web(roundhouse.management, roundhouse.authenticate)
    machines = _Machines(roundhouse)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/api/") or scope["type"] == "websocket":  # which is the API's alone
            await api(scope, receive, send)
        elif path.startswith("/v1/") or path in BARE:
            await gateway(scope, receive, send)
        elif path in machines.paths:
            await machines(scope, receive, send)
        else:
            await web(scope, receive, send)

    return application


def new_ids(prefix: str) -> Callable[[], str]:
    """Make request ids: unique by a random *prefix* of this process, and counted, which asks the system for nothing."""
    number = count(1)
    return lambda: f"{prefix}{next(number):012x}"


class _Machines:
    """Liveness, readiness and metrics."""

    paths = frozenset({"/healthz", "/readyz", "/metrics"})

    def __init__(self, roundhouse: Roundhouse) -> None:
        self._roundhouse = roundhouse

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer at once, from memory."""
        status, kind, body = self._answer(scope)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, scope: Scope) -> tuple[int, bytes, bytes]:
        plain = b"text/plain; charset=utf-8"
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, plain, b"GET only\n"
        if scope["path"] == "/healthz":
            return 200, plain, b"ok\n"
        if scope["path"] == "/readyz":
            return 200, plain, b"ready\n"
        try:
            allowed = self._roundhouse.authenticate(scope).can(Permission.STATUS_READ)
        except RoundhouseError as error:
            return error.status, plain, f"{error.code}: {error.message}\n".encode()
        if not allowed:
            return 403, plain, b"E_PERM: not allowed\n"
        return 200, CONTENT_TYPE.encode(), self._roundhouse.metrics.render()
