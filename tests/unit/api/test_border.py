"""The border: who asks, how much they send, and that nothing but an envelope comes out."""

import asyncio
from collections.abc import Sequence

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roundhouse.access.principal import LOCAL_USER
from roundhouse.api.border import Border, Limits


async def boom(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Be broken."""
    message = "secret detail"
    raise RuntimeError(message)


async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Break in the middle of an answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    message = "late"
    raise RuntimeError(message)


def around(app: ASGIApp, limits: Limits = Limits()) -> Border:  # noqa: B008 - frozen
    """Put a border around *app*."""
    return Border(app, lambda _: LOCAL_USER, lambda: "made-up", limits)


async def empty() -> Message:
    """Send no body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def converse(app: Border, receive: Receive) -> Sequence[Message]:
    """Make one request of *app* and collect what it sends."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    return sent


async def test_a_wrong_key_is_401_before_anything_else(user: httpx2.AsyncClient) -> None:
    """Whoever is not known learns nothing: not which addresses exist, nor whether the body was right."""
    for path in ("/status", "/nothing", "/transfers"):
        answer = await user.post(path, content=b"{", headers={"x-api-key": "wrong"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "E_AUTH")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_answer_carries_an_id(user: httpx2.AsyncClient) -> None:
    """The id is in the header of a success, and in header and body of a failure."""
    good, bad = await user.get("/status"), await user.get("/nothing")
    assert good.headers["x-request-id"] == "made-up"
    assert (bad.headers["x-request-id"], bad.json()["error"]["request_id"]) == ("made-up", "made-up")


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", "abc-1.2_3"), ("a b", "made-up"), ("x" * 65, "made-up")])
async def test_a_clients_id_is_kept_when_harmless(user: httpx2.AsyncClient, given: str, kept: str) -> None:
    """A client's own id comes back, unless it could spoil a log."""
    assert (await user.get("/status", headers={"x-request-id": given})).headers["x-request-id"] == kept


async def test_answers_are_not_kept_by_anybody(user: httpx2.AsyncClient) -> None:
    """No cache stores an answer, and no browser guesses its type."""
    headers = (await user.get("/models")).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_a_body_that_is_announced_too_large_is_not_read(user: httpx2.AsyncClient) -> None:
    """A large content-length is refused at once."""
    answer = await user.post("/route/explain", content=b"x" * 100_001)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "E_SCHEMA")


async def test_a_body_that_grows_too_large_is_refused() -> None:
    """Without a content-length the bytes are counted as they come."""
    reads = 0

    async def receive() -> Message:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    answer = await converse(around(boom, Limits(body=1000)), receive)
    assert (answer[0]["status"], reads) == (413, 2)


async def test_a_body_that_does_not_arrive_is_refused() -> None:
    """Whoever trickles is not waited for."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    answer = await converse(around(boom, Limits(receive_s=0.01)), receive)
    assert answer[0]["status"] == 422


async def test_a_client_that_left_gets_no_answer() -> None:
    """Nothing is done for nobody."""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await converse(around(boom), receive) == []


async def test_a_fault_of_ours_is_500_without_details() -> None:
    """A broken route is E_INTERNAL with an id to report, and tells nothing of its inside."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(around(boom)), base_url="http://h") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "E_INTERNAL")
    assert "secret" not in answer.text


async def test_an_answer_on_its_way_is_not_started_again() -> None:
    """A failure after the head was sent adds nothing to it."""
    answer = await converse(around(half), empty)
    assert [message["type"] for message in answer] == ["http.response.start"]
