import asyncio
import json

import pytest
from tests.unit.gateway.conftest import CHAT, Caller, Names, piece

from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.core.errors import AuthError, BackendError, CapacityError, LimitError, NoRouteError
from roundhouse.core.inference import Operation
from roundhouse.gateway import Gateway
from roundhouse.gateway.asgi import Scope
from roundhouse.serving.admission.rules import Waiting
from roundhouse.testing.serving import ScriptedServing

STREAM = {**CHAT, "stream": True}


async def test_answer_passes_untouched(caller: Caller, serving: ScriptedServing) -> None:
    """What the backend said is what the client gets, byte for byte."""
    serving.reply = b'{"id": "1",  "unknown": [1,2 ]}'
    reply = await caller.ask()
    assert (reply.status, reply.body) == (200, serving.reply)
    assert reply.headers["content-type"] == "application/json"
    assert int(reply.headers["content-length"]) == len(serving.reply)


async def test_body_passes_untouched(caller: Caller, serving: ScriptedServing) -> None:
    """What the client sent is what serving gets, unknown fields and spaces included."""
    body = b'{ "model": "tiny", "messages": [{"role":"user","content":"hi"}], "future": {"a": 1e400} }'
    body = body.replace(b"1e400", b"1e40")
    await caller.ask(body=body)
    assert serving.requests[0].body == body


async def test_answer_tells_how_it_came_to_be(caller: Caller) -> None:
    """Who answered, after how many tries, for how much, and what we added."""
    headers = (await caller.ask()).headers
    assert {
        "x-request-id": "req-1",
        "x-roundhouse-model": "tiny",
        "x-roundhouse-backend": "fake",
        "x-roundhouse-route-id": "req-1",
        "x-roundhouse-attempts": "1",
        "x-roundhouse-cost-usd": "0.001250000",
        "x-roundhouse-overhead-ms": "0.250",
    } == {name: value for name, value in headers.items() if name.startswith("x-")}


async def test_request_carries_who_asks(serving: ScriptedServing) -> None:
    """The usage record names the principal."""
    app = Gateway(serving, lambda _scope: Principal("ann", Role.ADMIN), Names(), lambda: "id")
    await Caller(app).ask()
    assert ("ann", "id") == (serving.requests[0].principal, serving.requests[0].id)


@pytest.mark.parametrize(
    ("path", "body", "operation"),
    [
        ("/v1/chat/completions", CHAT, Operation.CHAT),
        ("/v1/completions", {"model": "tiny", "prompt": "once"}, Operation.COMPLETION),
        ("/v1/embeddings", {"model": "tiny", "input": "once"}, Operation.EMBEDDING),
        ("/v1/rerank", {"model": "tiny", "query": "once", "documents": ["twice"]}, Operation.RERANK),
        ("/rerank", {"model": "tiny", "query": "once", "documents": ["twice"], "stream": True}, Operation.RERANK),
    ],
)
async def test_path_is_the_operation(
    path: str, body: object, operation: Operation, caller: Caller, serving: ScriptedServing
) -> None:
    """Three addresses, three operations."""
    assert (await caller.ask(path, body)).status == 200
    assert operation == serving.requests[0].profile.operation


async def test_stream(caller: Caller, serving: ScriptedServing) -> None:
    """Each piece is one event, and `[DONE]` is the last."""
    serving.steps = [piece("a"), piece("b", final=True)]
    reply = await caller.ask(body=STREAM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.events == [piece("a").data.decode(), piece("b", final=True).data.decode(), "[DONE]"]
    assert "x-roundhouse-cost-usd" not in reply.headers


async def test_stream_is_closed(caller: Caller, serving: ScriptedServing) -> None:
    """Closing is what writes the usage record and frees the upstream."""
    serving.steps = [piece(final=True)]
    await caller.ask(body=STREAM)
    assert serving.closed.is_set()


async def test_error_before_the_stream_is_a_status(caller: Caller, serving: ScriptedServing) -> None:
    """As long as nothing was sent, the client gets a proper error."""
    serving.steps = [BackendError("all of them failed")]
    reply = await caller.ask(body=STREAM)
    assert (reply.status, reply.error["code"], reply.error["source"]) == (502, "E_BACKEND", "upstream")


async def test_error_in_the_stream_is_its_last_event(caller: Caller, serving: ScriptedServing) -> None:
    """After 200 the error is an event, once, and nothing claims to be done."""
    serving.steps = [piece("a"), BackendError("cut")]
    reply = await caller.ask(body=STREAM)
    assert reply.status == 200
    assert len(reply.events) == 2
    assert json.loads(reply.events[1])["error"]["message"] == "cut"
    assert not reply.messages[-1].get("more_body")


async def test_unexpected_error_is_ours_and_says_nothing(caller: Caller, serving: ScriptedServing) -> None:
    """A bug is 500 with a request id, and its words stay in the log."""
    serving.reply = None  # type: ignore[assignment]
    reply = await caller.ask()
    assert (reply.status, reply.error["code"], reply.error["request_id"]) == (500, "E_INTERNAL", "req-1")
    assert "NoneType" not in reply.body.decode()


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/v1/chat/completions"])
async def test_a_wrong_base_url_is_told_as_such(caller: Caller, path: str) -> None:
    """In the message, because clients do not show the hint."""
    reply = await caller.ask(path)
    message = str(reply.error["message"])
    assert (404, True, True) == (reply.status, "/v1/chat/completions" in message, "base URL" in message)


async def test_an_unknown_address_is_told_the_known_ones(caller: Caller) -> None:
    """Not every endpoint of OpenAI is here."""
    reply = await caller.ask("/v1/responses")
    assert (404, True) == (reply.status, "/v1/embeddings" in str(reply.error["hint"]))


async def test_exhausted_chain_is_not_to_be_tried_again(caller: Caller, serving: ScriptedServing) -> None:
    """Client retries times ours would multiply the load."""
    serving.reply = BackendError()
    assert (await caller.ask()).headers["x-should-retry"] == "false"


async def test_rate_limit_says_when(caller: Caller, serving: ScriptedServing) -> None:
    """Where waiting helps, the client hears for how long."""
    serving.reply = LimitError(retry_after_s=1.2)
    reply = await caller.ask()
    assert (reply.status, reply.headers["retry-after"]) == (429, "2")
    assert "x-should-retry" not in reply.headers


async def test_no_route_lists_the_reasons(caller: Caller, serving: ScriptedServing) -> None:
    """Details of an error reach the client."""
    serving.reply = NoRouteError(details={"refused": {"fake/tiny": "no vision"}})
    reply = await caller.ask()
    assert (reply.status, reply.error["details"]) == (422, {"refused": {"fake/tiny": "no vision"}})


async def test_models(caller: Caller) -> None:
    """OpenAI's list."""
    reply = await caller.ask("/v1/models", method="GET")
    entry = {"id": "tiny", "object": "model", "created": 1700000000, "owned_by": "roundhouse"}
    assert (reply.status, reply.json["object"], reply.json["data"][0]) == (200, "list", entry)


async def test_model_with_slash_and_colon(caller: Caller) -> None:
    """Ids contain both."""
    reply = await caller.ask("/v1/models/owner/repo:Q4_K_M", method="GET")
    assert (reply.status, reply.json["id"]) == (200, "owner/repo:Q4_K_M")


async def test_unknown_model(caller: Caller) -> None:
    """The envelope, and the field that is wrong."""
    reply = await caller.ask("/v1/models/what", method="GET")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "E_NOTFOUND", "model")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/", "/v1/chat/completions/", "/v1/responses", "/v1/modelsx", ""])
async def test_unknown_address(path: str, caller: Caller) -> None:
    """The same envelope."""
    reply = await caller.ask(path)
    assert (reply.status, reply.error["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("OPTIONS", "/v1/embeddings", "POST"),
    ],
)
async def test_wrong_method(method: str, path: str, allow: str, caller: Caller) -> None:
    """The same envelope, and what would work."""
    reply = await caller.ask(path, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, allow)


async def test_who_is_not_known_is_not_read(serving: ScriptedServing) -> None:
    """The key comes before the body: an attacker's bytes are not even received."""

    def refuse(_scope: Scope) -> Principal:
        raise AuthError

    caller = Caller(Gateway(serving, refuse, Names(), lambda: "id"))
    reply = await caller.send("/v1/chat/completions")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_client_that_leaves_cancels(caller: Caller, serving: ScriptedServing) -> None:
    """Nobody computes an answer for somebody who is gone."""
    serving.gate.clear()
    caller.inbox.put_nowait({"type": "http.request", "body": json.dumps(CHAT).encode()})
    caller.leave()
    reply = await asyncio.wait_for(caller.send("/v1/chat/completions"), 5)
    assert serving.cancelled.is_set()
    assert not reply.messages


async def test_a_client_that_leaves_a_stream_closes_it(caller: Caller, serving: ScriptedServing) -> None:
    """The upstream is cancelled, and the record written."""
    serving.steps = [piece(), asyncio.Event().wait]
    caller.on_send = lambda message: caller.leave() if message.get("body") else None
    await asyncio.wait_for(caller.ask(body=STREAM), 5)
    assert serving.cancelled.is_set()
    assert serving.closed.is_set()


async def test_a_server_that_stops_says_so(caller: Caller, serving: ScriptedServing) -> None:
    """Who waits when the drain is over gets an error with a time to come back, and the upstream is cancelled."""
    serving.gate.clear()
    task = asyncio.create_task(caller.ask())
    await serving.asked.wait()
    task.cancel()
    reply = await task
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (503, "E_CAPACITY")
    assert ("5", True) == (reply.headers["retry-after"], serving.cancelled.is_set())


async def test_a_stream_that_is_stopped_ends_with_an_error(caller: Caller, serving: ScriptedServing) -> None:
    """A cut answer must not look like a whole one."""
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    serving.steps = [piece("a"), hang]
    task = asyncio.create_task(caller.ask(body=STREAM))
    await reached.wait()
    task.cancel()
    events = (await task).events
    assert (events[0], json.loads(events[-1])["error"]["code"]) == (piece("a").data.decode(), "E_CAPACITY")
    assert serving.closed.is_set()


async def test_a_waiting_stream_is_kept_alive(caller: Caller, serving: ScriptedServing) -> None:
    """Between two pieces that are far apart, clients and proxies see a comment."""
    waited = asyncio.Event()
    caller.on_send = lambda message: waited.set() if message.get("body", b"").startswith(b":") else None
    serving.steps = [piece("a"), waited.wait, piece("b", final=True)]
    reply = await asyncio.wait_for(caller.ask(body=STREAM), 5)
    assert reply.events[1] == ": waiting"
    assert reply.events[-1] == "[DONE]"


async def test_a_stream_that_does_not_begin_is_opened(caller: Caller, serving: ScriptedServing) -> None:
    """A model that takes long to load must not cost the connection; an error is then an event."""
    serving.gate.clear()
    serving.steps = [BackendError("did not load")]
    caller.on_send = lambda message: serving.gate.set() if message.get("body") else None
    reply = await asyncio.wait_for(caller.ask(body=STREAM), 5)
    assert (reply.status, reply.headers["x-request-id"]) == (200, "req-1")
    assert json.loads(reply.events[-1])["error"]["message"] == "did not load"


async def test_an_embedding_is_never_a_stream(caller: Caller, serving: ScriptedServing) -> None:
    """A stray ``stream`` does not change the wire."""
    reply = await caller.ask("/v1/embeddings", {"model": "tiny", "input": "x", "stream": True})
    assert (reply.body, serving.requests[0].stream) == (b"{}", False)


async def test_a_queued_stream_is_told_its_place(caller: Caller, serving: ScriptedServing) -> None:
    """As a comment, and in the headers of the stream that it begins."""
    serving.gate.clear()
    serving.told = Waiting("queued", "tiny", "fake", position=3, eta_s=12.0)
    serving.steps = [piece(final=True)]
    caller.on_send = lambda _message: serving.gate.set()
    reply = await caller.ask(body={**CHAT, "stream": True})
    assert reply.events[0] == ": queued position=3 eta_s=12"
    assert (reply.headers["x-roundhouse-queue-position"], reply.headers["x-roundhouse-eta-s"]) == ("3", "12")


async def test_a_full_queue_tells_its_length_in_headers(caller: Caller, serving: ScriptedServing) -> None:
    """Those who are not streamed to hear it with the refusal."""
    serving.reply = CapacityError(retry_after_s=7.5, details={"position": 9, "eta_s": 7.5})
    reply = await caller.ask()
    told = [reply.headers[name] for name in ("retry-after", "x-roundhouse-queue-position", "x-roundhouse-eta-s")]
    assert (503, ["8", "9", "8"]) == (reply.status, told)


async def test_a_priority_goes_with_the_request(caller: Caller, serving: ScriptedServing) -> None:
    """A word becomes a number."""
    await caller.ask(headers=[(b"x-roundhouse-priority", b"high")])
    assert serving.requests[0].priority == 80
