import asyncio
import json
import timeit

import pytest
from tests.unit.gateway.conftest import CHAT, Caller

from roundhouse.core.errors import SchemaError
from roundhouse.gateway.body import MAX_DEPTH, check_depth
from roundhouse.testing.serving import ScriptedServing

PATH = "/v1/chat/completions"


async def test_body_in_pieces(caller: Caller, serving: ScriptedServing) -> None:
    """A body may come one byte at a time."""
    content = json.dumps(CHAT).encode()
    for byte in content:
        caller.inbox.put_nowait({"type": "http.request", "body": bytes([byte]), "more_body": True})
    caller.inbox.put_nowait({"type": "http.request"})
    assert (await caller.send(PATH)).status == 200
    assert serving.requests[0].body == content


async def test_announced_size_is_enough_to_refuse(caller: Caller) -> None:
    """What says that it is too large is answered before it comes, and then hung up on."""
    caller.inbox.put_nowait({"type": "http.request", "body": b"x", "more_body": False})
    reply = await caller.send(PATH, headers=[(b"content-length", b"5000000000")])
    assert (reply.status, reply.error["code"], reply.headers["connection"]) == (413, "E_SCHEMA", "close")


async def test_size_that_nobody_announced(caller: Caller) -> None:
    """A chunked body is counted while it comes."""
    for _ in range(100):
        caller.inbox.put_nowait({"type": "http.request", "body": b"x" * 1000, "more_body": True})
    reply = await caller.send(PATH)
    assert (reply.status, caller.inbox.qsize()) == (413, 87)


async def test_what_is_refused_is_read_on_for_a_while(caller: Caller) -> None:
    """A client that is still sending gets to read its answer, and a bounded amount is thrown away."""
    caller.inbox.put_nowait({"type": "http.request", "body": b"x" * 5000, "more_body": True})
    for _ in range(100):
        caller.inbox.put_nowait({"type": "http.request", "body": b"x" * 1000, "more_body": True})
    reply = await caller.send(PATH)
    assert 100 - caller.inbox.qsize() == 8
    assert [message.get("more_body", False) for message in reply.messages] == [False, True, False]


async def test_a_body_that_trickles(caller: Caller, serving: ScriptedServing) -> None:
    """A client that does not send in time is told so, and hung up on."""
    caller.inbox.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    reply = await asyncio.wait_for(caller.send(PATH), 5)
    assert (reply.status, reply.error["type"], reply.headers["connection"]) == (408, "timeout_error", "close")
    assert not serving.requests


async def test_a_client_that_leaves_while_it_sends(caller: Caller, serving: ScriptedServing) -> None:
    """There is nobody to tell."""
    caller.inbox.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    caller.leave()
    reply = await caller.send(PATH)
    assert not reply.messages
    assert not serving.requests


@pytest.mark.parametrize(("open_", "close"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 10_000, 1_000_000])
def test_deep_nesting_is_refused(open_: bytes, close: bytes, depth: int) -> None:
    """Whatever the parsers behind us can take."""
    with pytest.raises(SchemaError):
        check_depth(open_ * depth + b"1" + close * depth)


def test_allowed_nesting_passes() -> None:
    """Up to the limit."""
    check_depth(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_many_brackets_that_are_not_deep_pass() -> None:
    """Tools and token ids have thousands of them."""
    check_depth(json.dumps([{"a": [1, 2]}] * 5000).encode())


@pytest.mark.parametrize("text", ["[" * 5000, '\\"' + "[" * 5000, "\\" + "{" * 5000, '"\\' * 100 + "[" * 5000])
def test_brackets_in_text_are_text(text: str) -> None:
    """A question about brackets is a question."""
    check_depth(json.dumps({"content": text, "more": [text]}).encode())


def test_nesting_behind_a_text_with_escapes_is_found() -> None:
    """An escaped quote does not hide what follows it."""
    deep = json.dumps({"a": 'x\\"y\\\\'}).encode()[:-1] + b',"b":' + b"[" * 300 + b"]" * 300 + b"}"
    with pytest.raises(SchemaError):
        check_depth(deep)


def test_a_large_body_is_checked_in_no_time() -> None:
    """The check runs on the event loop: nobody else may notice."""
    body = json.dumps({"content": "some text with [brackets] in it " * 40_000, "list": [[1]] * 1000}).encode()
    assert min(timeit.repeat(lambda: check_depth(body), number=1, repeat=5)) < 0.05
