import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest
from starlette.types import ASGIApp, Message

from roundhouse.core.desks.exchange import Bundle
from roundhouse.core.errors import VerifyError
from roundhouse.testing.management_service import InMemoryManagement

NAME = "acme/tiny:Q4_K_M"


async def test_the_registry_goes_out_and_comes_in(admin: httpx2.AsyncClient) -> None:
    """What was exported is unchanged when it is imported."""
    document = (await admin.get("/registry", params={"name": NAME})).json()
    assert [NAME] == [artifact["name"] for artifact in document["artifacts"]]
    report = (await admin.post("/registry", json=document)).json()
    assert [(NAME, "unchanged")] == [(model["name"], model["state"]) for model in report["models"]]


async def test_what_does_not_fit_is_422(admin: httpx2.AsyncClient) -> None:
    """With the JSON path in message and details."""
    answer = await admin.post("/registry", content=b'{"format": "roundhouse-registry", "version": 9}')
    error = answer.json()["error"]
    assert (422, "E_SCHEMA", "$.version") == (answer.status_code, error["code"], error["details"]["path"])


async def test_a_bundle_goes_out_and_comes_in(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """It may be larger than any other body, and says beforehand how large it is."""
    made = await admin.get("/bundles", params={"name": NAME})
    assert (made.headers["content-type"], int(made.headers["content-length"])) == (
        "application/x-tar",
        len(made.content),
    )
    management.catalog.clear()

    async def slices() -> AsyncIterator[bytes]:
        for begin in range(0, len(made.content), 100):
            yield made.content[begin : begin + 100]

    report = (await admin.post("/bundles", content=slices())).json()
    assert [(NAME, "added")] == [(model["name"], model["state"]) for model in report["models"]]


async def test_a_large_body_is_streamed(admin: httpx2.AsyncClient) -> None:
    """What would be too large elsewhere is read here, as far as it makes sense."""
    answer = await admin.post("/bundles", content=bytes(200_000))
    assert (422, "E_SCHEMA") == (answer.status_code, answer.json()["error"]["code"])


async def test_a_body_that_does_not_come(app: ASGIApp) -> None:
    """It is answered with 408, and one that ends early is nobody's fault."""
    sent: list[Message] = []

    async def silent() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"x-api-key", b"admin")]
    path = "/api/v1/bundles"
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    await app(scope, silent, send)
    assert 408 == sent[0]["status"]


async def test_rot_cuts_a_bundle_off(app: ASGIApp, management: InMemoryManagement) -> None:
    """The answer has begun, and has no end: nobody takes it for a whole one."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise VerifyError

    async def rotten(names: Sequence[str]) -> Bundle:
        assert [NAME] == names
        return Bundle(200, tuple(names), chunks())

    management.bundle = rotten  # type: ignore[method-assign]
    sent: list[Message] = []

    request: list[Message] = [{"type": "http.request"}]

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()
        return request.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    headers, query = [(b"x-api-key", b"admin")], f"name={NAME}".encode()
    scope = {"type": "http", "method": "GET", "path": "/api/v1/bundles", "headers": headers, "query_string": query}
    await app(scope, receive, send)
    assert [(200, None), (None, True)] == [(each.get("status"), each.get("more_body")) for each in sent]


async def test_declared_models(admin: httpx2.AsyncClient) -> None:
    """A dry run tells, and starts nothing."""
    declared = {"models": [{"ref": "hf:acme/other"}]}
    report = (await admin.post("/ensure", params={"dry_run": "true"}, content=json.dumps(declared))).json()
    assert [("pending", None)] == [(model["state"], model["transfer"]) for model in report["models"]]
    assert [] == (await admin.get("/transfers")).json()["transfers"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/registry", 200),
        ("POST", "/registry", 403),
        ("GET", f"/bundles?name={NAME}", 403),
        ("POST", "/bundles", 403),
        ("POST", "/ensure", 403),
    ],
)
async def test_who_may(user: httpx2.AsyncClient, method: str, path: str, status: int) -> None:
    """Everybody may see the registry; bytes and changes need more."""
    assert status == (await user.request(method, path, content=b"{}")).status_code
