"""Whatever is sent to whichever operation of the management API, the answer is documented and never our fault."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.api import create_api
from roundhouse.api.app import build
from roundhouse.testing.management_service import InMemoryManagement, a_model, a_request

SCHEMA = build(InMemoryManagement()).openapi()
#: All but the stream of events, which has no end; `tests/unit/api/nouns/test_events.py` asks it wrongly.
OPERATIONS = [
    (method.upper(), path)
    for path, methods in SCHEMA["paths"].items()
    for method in methods
    if path != "/api/v1/events"
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
#: Keys that mean something somewhere, with values of any type, and keys that mean nothing.
keys = st.sampled_from(["ref", "name", "dry_run", "prompt", "model", "operation", "messages", "input"]) | st.text()
bodies = st.binary() | st.builds(lambda body: json.dumps(body).encode(), st.dictionaries(keys, values) | values)
queries = st.dictionaries(st.sampled_from(["dry_run", "by", "since", "limit", "x"]), st.text(max_size=40))
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@dataclass(frozen=True, slots=True)
class Speaker:
    """The API of one house, and the loop to speak to it on; building either for each example would take minutes."""

    house: InMemoryManagement
    app: ASGIApp
    runner: asyncio.Runner

    def ask(self, method: str, path: str, query: dict[str, str], body: bytes) -> httpx2.Response:
        """Make one request of the house as it was at first."""
        self.house.catalog[:], self.house.records[:], self.house.pulls[:] = [a_model()], [a_request()], []
        return self.runner.run(self._ask(method, path, query, body))

    async def _ask(self, method: str, path: str, query: dict[str, str], body: bytes) -> httpx2.Response:
        headers = {"content-type": "application/json"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, params=query, content=body, headers=headers)


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    """Build the API once."""
    house = InMemoryManagement()
    with asyncio.Runner() as runner:
        yield Speaker(house, create_api(house, lambda _: Principal("admin", Role.ADMIN)), runner)


def fill(path: str, name: str) -> str:
    """Put *name* where the path has a hole."""
    return path.replace("{name}", name).replace("{id}", name).replace("{key}", name).replace("{key}", name)


def is_known(path: str, answer: httpx2.Response) -> bool:
    """Whether the answer is one that the schema promises."""
    content: dict[str, Any] = answer.json()
    if answer.is_success:
        return str(answer.status_code) in {
            code for method in SCHEMA["paths"][path].values() for code in method["responses"]
        }
    return set(content["error"]) == {"code", "message", "hint", "retryable", "details", "request_id"}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@given(name=names, query=queries, body=bodies)
def test_no_input_is_our_fault(
    speaker: Speaker, method: str, path: str, name: str, query: dict[str, str], body: bytes
) -> None:
    """Every operation answers anything with success or with an error envelope of the 4xx kind."""
    for filling in (quote(name, safe="/"), "acme%2Ftiny%3AQ4_K_M", "local"):
        answer = speaker.ask(method, fill(path, filling), query, body)
        assert answer.status_code < 500, answer.text
        assert is_known(path, answer), answer.text
