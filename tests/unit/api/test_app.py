"""The app as a whole: its routes and its schema."""

from collections.abc import Iterable, Iterator

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from roundhouse.access.permissions import Permission
from roundhouse.api.app import build
from roundhouse.api.guard import GuardedRoute
from roundhouse.testing.management_service import InMemoryManagement

#: The contract: which permission each operation takes.
CONTRACT = {
    "GET /api/v1/openapi.json": "status.read",
    "GET /api/v1/status": "status.read",
    "GET /api/v1/doctor": "status.read",
    "GET /api/v1/events": "events.read",
    "GET /api/v1/models": "models.read",
    "GET /api/v1/models/{name:path}/updates": "models.read",
    "POST /api/v1/models/{name:path}/update": "models.manage",
    "POST /api/v1/models/{name:path}/rollback": "models.manage",
    "GET /api/v1/registry": "models.read",
    "POST /api/v1/registry": "models.manage",
    "GET /api/v1/bundles": "models.manage",
    "POST /api/v1/bundles": "models.manage",
    "POST /api/v1/ensure": "models.manage",
    "GET /api/v1/browse": "models.read",
    "GET /api/v1/models/{name:path}": "models.read",
    "DELETE /api/v1/models/{name:path}": "models.manage",
    "POST /api/v1/models/gc": "models.manage",
    "POST /api/v1/models/{name:path}/pin": "models.manage",
    "POST /api/v1/models/{name:path}/unpin": "models.manage",
    "POST /api/v1/models/{name:path}/tag": "models.manage",
    "POST /api/v1/models/{name:path}/verify": "models.manage",
    "POST /api/v1/models/{name:path}/repair": "models.manage",
    "POST /api/v1/transfers": "models.manage",
    "GET /api/v1/transfers": "models.read",
    "GET /api/v1/transfers/{id}": "models.read",
    "DELETE /api/v1/transfers/{id}": "models.manage",
    "PUT /api/v1/transfers/{id}/priority": "models.manage",
    "PUT /api/v1/transfers/{id}/bandwidth": "models.manage",
    "GET /api/v1/bandwidth": "models.read",
    "PUT /api/v1/bandwidth": "models.manage",
    "POST /api/v1/transfers/{id}/pause": "models.manage",
    "POST /api/v1/transfers/{id}/resume": "models.manage",
    "POST /api/v1/transfers/{id}/cancel": "models.manage",
    "GET /api/v1/backends": "status.read",
    "GET /api/v1/backends/{name}/figures": "usage.read",
    "GET /api/v1/figures": "usage.read",
    "POST /api/v1/backends/{name}/test": "backends.manage",
    "POST /api/v1/backends": "backends.manage",
    "DELETE /api/v1/backends/{name}": "backends.manage",
    "POST /api/v1/backends/{name}/pull": "backends.manage",
    "POST /api/v1/backends/{name}/copy": "backends.manage",
    "DELETE /api/v1/backends/{name}/models/{model:path}": "backends.manage",
    "POST /api/v1/models/{name:path}/load": "backends.manage",
    "POST /api/v1/models/{name:path}/unload": "backends.manage",
    "POST /api/v1/route/explain": "infer",
    "GET /api/v1/usage": "usage.read",
    "GET /api/v1/requests": "usage.read",
    "GET /api/v1/licenses": "models.read",
    "GET /api/v1/licenses/{key:path}": "models.read",
    "POST /api/v1/licenses/{key:path}/accept": "licenses.accept",
    "POST /api/v1/licenses/{key:path}/revoke": "licenses.accept",
    "GET /api/v1/stores": "models.migrate",
    "GET /api/v1/migrations": "models.migrate",
    "POST /api/v1/migrations": "models.migrate",
    "GET /api/v1/migrations/{id}": "models.migrate",
    "POST /api/v1/migrations/{id}/rollback": "models.migrate",
    "DELETE /api/v1/migrations/{id}": "models.migrate",
}


def walk(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route, also those inside others."""
    for route in routes:
        yield route
        yield from walk(getattr(route, "routes", None) or [])


def test_every_route_declares_its_permission() -> None:
    """No route of any kind is reachable without the guard, and each asks for what the contract says."""
    routes = list(walk(build(InMemoryManagement()).routes))
    assert [] == [route for route in routes if not isinstance(route, GuardedRoute)]
    found = {
        f"{method} {route.path}": route.permission.value
        for route in routes
        if isinstance(route, GuardedRoute)
        for method in route.methods or ()
    }
    assert found == CONTRACT


async def test_a_route_without_a_permission_cannot_be_built() -> None:
    """Forgetting the permission fails at the start, not at an attack."""
    api = build(InMemoryManagement())
    with pytest.raises(TypeError, match="declares no permission"):
        api.add_api_route("/api/v1/open", lambda: None)


async def test_schema_names_permissions_and_errors(user: httpx2.AsyncClient) -> None:
    """The published schema says for each operation what it takes and what a failure looks like."""
    schema = (await user.get("/openapi.json")).json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert len(operations) == len(CONTRACT) - 1
    for operation in operations:
        assert operation["x-roundhouse-permission"] in set(Permission)
        content = operation["responses"]["default"]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")


def test_operation_ids_are_the_words_of_the_contract() -> None:
    """Generated clients get names that people would choose."""
    api = build(InMemoryManagement())
    ids = {route.operation_id or route.unique_id for route in api.routes if isinstance(route, APIRoute)}
    assert {"list_models", "show_model", "remove_model", "verify_model", "pull", "explain", "usage"} <= ids


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/status/", "/api/v1/docs"])
async def test_unknown_address(user: httpx2.AsyncClient, path: str) -> None:
    """An address that does not exist is a 404 in the envelope, without a redirect."""
    answer = await user.get(f"http://127.0.0.1:8484{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "E_NOTFOUND")


async def test_wrong_method(user: httpx2.AsyncClient) -> None:
    """A method that is not possible is a 405 in the envelope, with what is possible."""
    answer = await user.put("/status")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["error"]["code"] == "E_SCHEMA"
