"""The management API over a Roundhouse in memory, spoken to over ASGI."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from roundhouse.access.permissions import Role
from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.api import create_api
from roundhouse.api.border import Limits
from roundhouse.core.errors import AuthError
from roundhouse.testing.management_service import InMemoryManagement, a_model

ADMIN = {"x-api-key": "admin"}


def authenticate(scope: Scope) -> Principal:
    """Know two people: whoever shows no key, and the admin."""
    key = Headers(scope=scope).get("x-api-key", "")
    if key not in {"", "admin"}:
        raise AuthError
    return Principal("admin", Role.ADMIN) if key else LOCAL_USER


@pytest.fixture
def management() -> InMemoryManagement:
    """Build a house with one model in it."""
    return InMemoryManagement(catalog=[a_model()])


@pytest.fixture
def app(management: InMemoryManagement) -> ASGIApp:
    """Build the API with a small cap, so that a test can exceed it."""
    return create_api(management, authenticate, limits=Limits(body=100_000, receive_s=0.05), new_id=lambda: "made-up")


@pytest.fixture
async def user(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """Speak as somebody at this machine without a key."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8484/api/v1"
    ) as client:
        yield client


@pytest.fixture
async def admin(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """Speak as the admin."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8484/api/v1", headers=ADMIN
    ) as client:
        yield client
