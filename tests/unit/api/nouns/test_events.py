"""Events over the API: server-sent or over a WebSocket, and who is refused both."""

import asyncio
import json
from collections.abc import Sequence

import httpx2
import pytest
from starlette.types import ASGIApp, Message

from roundhouse.core.desks.events import Wish
from roundhouse.core.events import ArtifactAdded, ResidencyChanged
from roundhouse.testing.management_service import InMemoryManagement


async def over_socket(
    app: ASGIApp, query: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = (), path: str = "/api/v1/events"
) -> list[Message]:
    """Open a WebSocket and collect all that comes, to its end."""
    sent: list[Message] = []
    silence = asyncio.Event()

    async def receive() -> Message:
        if sent or silence.is_set():
            await asyncio.Event().wait()
        silence.set()
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": path, "query_string": query, "headers": list(headers)}
    async with asyncio.timeout(5):
        await app(scope, receive, send)
    return sent


def types(sent: Sequence[Message]) -> list[str]:
    """The types of the events on a WebSocket."""
    return [json.loads(message["text"])["type"] for message in sent if message["type"] == "websocket.send"]


@pytest.fixture
def past(management: InMemoryManagement) -> str:
    """Let two things have happened, and the feed have ended; the id before them."""
    before = management.feed.last_id
    management.feed.publish(ArtifactAdded("acme/tiny"))
    management.feed.publish(ResidencyChanged("local", "acme/tiny", loaded=True))
    management.feed.close()
    return before


async def test_server_sent_events_are_told_with_id_and_type(user: httpx2.AsyncClient, past: str) -> None:
    """A browser's EventSource reads them; nothing keeps them on their way."""
    answer = await user.get("/events", params={"after": past})
    ready, added, *_ = answer.text.split("\n\n")
    id_, type_, data = added.splitlines()
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "text/event-stream; charset=utf-8",
        "no-store",
    )
    assert "event: stream.ready" in ready
    assert (id_, type_) == (f"id: {past[:-1]}1", "event: model.added")
    assert json.loads(data.removeprefix("data: "))["data"] == {"model": "acme/tiny"}


async def test_the_header_wins_over_the_query(user: httpx2.AsyncClient, past: str) -> None:
    """A browser that reconnects sends the address it began with, and the id it has seen since."""
    answer = await user.get("/events", params={"after": past}, headers={"last-event-id": f"{past[:-1]}1"})
    assert ("model.added" in answer.text, "backend.residency" in answer.text) == (False, True)


async def test_both_ways_tell_the_same(app: ASGIApp, user: httpx2.AsyncClient, past: str) -> None:
    """Byte for byte, for the same question; the feed's own words carry the time."""
    query = f"after={past}&type=model&type=backend.residency"
    streamed = (await user.get(f"/events?{query}")).text
    lines = [line.removeprefix("data: ") for line in streamed.splitlines() if line.startswith("data: ")]
    sent = await over_socket(app, query.encode())
    texts = [message["text"] for message in sent if message["type"] == "websocket.send"]
    assert lines[1:3] == texts[1:3]
    assert types(sent) == ["stream.ready", "model.added", "backend.residency", "stream.closing"]
    assert [sent[0]["type"], sent[-1]["type"]] == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("query", ["type=models", "after=nonsense", "type=" + "x" * 5000])
async def test_a_question_without_sense_is_refused_both_ways(
    app: ASGIApp, user: httpx2.AsyncClient, query: str
) -> None:
    """With our envelope, before anything is streamed."""
    answer = await user.get(f"/events?{query}")
    start, body = await over_socket(app, query.encode())
    assert (answer.status_code, start["status"]) == (422, 422)
    assert answer.json()["error"]["code"] == json.loads(body["body"])["error"]["code"] == "E_SCHEMA"


@pytest.mark.parametrize("query", [b"after=a-1&after=a-2", b"types=model", b"a=1&" * 20, b"\xff"])
async def test_a_socket_is_as_strict_as_a_route(app: ASGIApp, query: bytes) -> None:
    """Unknown and doubled parts of a question are not ignored."""
    start, body = await over_socket(app, query)
    assert (start["status"], json.loads(body["body"])["error"]["code"]) == (422, "E_SCHEMA")


async def test_a_wrong_key_is_refused_both_ways(app: ASGIApp, user: httpx2.AsyncClient) -> None:
    """Nothing is accepted, and nothing is told."""
    answer = await user.get("/events", headers={"x-api-key": "wrong"})
    start, body = await over_socket(app, headers=[(b"x-api-key", b"wrong")])
    assert (answer.status_code, start["status"], start["type"]) == (401, 401, "websocket.http.response.start")
    assert json.loads(body["body"])["error"]["code"] == "E_AUTH"
    assert (b"x-request-id", b"made-up") in start["headers"]


async def test_one_listener_too_many_is_refused_both_ways(
    app: ASGIApp, user: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """With a code that says to come again, and the route's slot is free again afterwards."""
    held = [management.listen(Wish()) for _ in range(64)]
    for each in held:
        each.__enter__()
    answer, sent = await user.get("/events"), await over_socket(app)
    assert (answer.status_code, sent[0]["status"]) == (429, 429)
    for each in held:
        each.__exit__(None, None, None)


async def test_there_is_one_socket(app: ASGIApp) -> None:
    """Another address has none."""
    start, _ = await over_socket(app, path="/api/v1/models")
    assert start["status"] == 404


async def test_the_shapes_of_events_are_published(user: httpx2.AsyncClient) -> None:
    """The schema names what a client will read."""
    schema = (await user.get("/openapi.json")).json()
    content = schema["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/EventView"}
    assert {"EventView", "StreamNews", "ResidencyNews"} <= set(schema["components"]["schemas"])


async def test_who_leaves_is_let_go(app: ASGIApp, management: InMemoryManagement) -> None:
    """The place of a client that has closed is free at once."""
    sent: list[Message] = []
    said = asyncio.Queue[Message]()
    said.put_nowait({"type": "websocket.connect"})

    async def send(message: Message) -> None:
        sent.append(message)
        said.put_nowait({"type": "websocket.disconnect"})

    scope = {"type": "websocket", "path": "/api/v1/events", "query_string": b"", "headers": []}
    async with asyncio.timeout(5):
        await app(scope, said.get, send)
    assert (sent[0]["type"], management.feed.heard.is_set()) == ("websocket.accept", False)
