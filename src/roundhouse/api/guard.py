"""Routes that are reached only with the permission they declare. A route that declares none cannot be built.

Knows nothing about who has which permission. The decision is made on the matched route, never on the
text of the path, and before the body is parsed.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from roundhouse.access.permissions import Permission
from roundhouse.access.principal import Principal
from roundhouse.core.errors import ForbiddenError

_KEY = "x-roundhouse-permission"


def needs(permission: Permission) -> dict[str, Any]:
    """Declare, in a route's ``openapi_extra``, what a caller must be allowed to do."""
    return {_KEY: permission.value}


class GuardedRoute(APIRoute):
    """A route behind its permission."""

    @property
    def permission(self) -> Permission:
        """What a caller must be allowed to do. Raises TypeError when the route does not say."""
        declared = (self.openapi_extra or {}).get(_KEY)
        if declared is None:
            message = f"{self.path} declares no permission; add openapi_extra=needs(Permission.…)"
            raise TypeError(message)
        return Permission(declared)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the guard before everything that FastAPI does with a request."""
        permission, serve = self.permission, super().get_route_handler()

        async def guarded(request: Request) -> Response:
            require(request, permission)
            return await serve(request)

        return guarded


def require(request: HTTPConnection, permission: Permission) -> None:
    """Let pass whoever has *permission*. Raises ForbiddenError."""
    principal: Principal = request.state.principal
    if not principal.can(permission):
        message = f"that needs the permission {permission.value}"
        hint = "send the admin key (the file admin.key of the home) as `Authorization: Bearer …`"
        raise ForbiddenError(message, hint=hint)
