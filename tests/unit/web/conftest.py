"""The pages over a Roundhouse in memory, spoken to over ASGI."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx2
import pytest
from starlette.datastructures import Headers
from starlette.types import Scope

from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.core.errors import AuthError, ForbiddenError
from roundhouse.core.management import Management
from roundhouse.testing.management_service import NOON, InMemoryManagement
from roundhouse.web import create_web


class Later:
    """A clock that stands at three minutes past noon."""

    def now(self) -> datetime:
        """Wall time."""
        return NOON + timedelta(minutes=3)

    def monotonic(self) -> float:
        """Seconds."""
        return 0.0


def authenticate(scope: Scope) -> Principal:
    """Refuse a wrong key and a foreign Host."""
    headers = Headers(scope=scope)
    if headers["host"] != "127.0.0.1:8484":
        raise ForbiddenError
    if "x-api-key" in headers:
        raise AuthError
    return LOCAL_USER


@pytest.fixture
def management() -> InMemoryManagement:
    """Build an empty house."""
    return InMemoryManagement()


def look_at(management: Management) -> httpx2.AsyncClient:
    """Look at the pages of a house without a browser."""
    app = create_web(management, authenticate, clock=Later(), new_id=lambda: "made-up")
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8484")


@pytest.fixture
async def browser(management: InMemoryManagement) -> AsyncIterator[httpx2.AsyncClient]:
    """Look at the house in memory."""
    async with look_at(management) as client:
        yield client
