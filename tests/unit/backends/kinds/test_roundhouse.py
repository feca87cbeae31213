import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from roundhouse.backends.kinds.roundhouse import Node, meant, node_failure
from roundhouse.backends.wire.failures import error_in_stream
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    ConfigError,
    DeadlineError,
    LimitError,
    LoopError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.events import Events
from roundhouse.core.inference import CacheUse, Capability, Residency
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask_chat

WHOLE = {
    "name": "qwen",
    "context": 131_072,
    "served_context": 32_768,
    "slots": 6,
    "dimension": None,
    "digest": "ab" * 32,
    "repo": "Qwen/Qwen3-8B-GGUF",
    "parameters": 8_000_000_000,
    "quantization": "Q4_K_M",
    "architecture": "qwen3",
    "format": "gguf",
    "size": 5_000_000_000,
    "loaded": True,
    "deployments": ["local/qwen"],
    "capabilities": ["chat", "tools", "telepathy"],
    "passed_on": False,
    "leaves_machine": False,
    "something": "new",
}
OLD = {"name": "old", "deployments": ["local/old"]}
THIRD = {"name": "third", "deployments": ["peer/third"], "passed_on": True}
HELD = {"name": "held", "deployments": []}


@asynccontextmanager
async def a_peer(models: bytes, status: int = 200) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """An address that lists *models* and fails every chat, with a 508 or after a word; and what it was asked."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        if request.path == "/api/v1/models":
            return web.Response(body=models, status=status, content_type="application/json")
        if request.path == "/healthz":
            return web.Response(text="ok\n")
        if b"later" in await request.read():
            failed = b'data: {"error": {"message": "full", "type": "x", "code": "E_CAPACITY"}}\n\n'
            return web.Response(body=b": waiting\n\n" + failed, content_type="text/event-stream")
        return web.json_response({"error": {"message": "was here", "type": "x", "code": "E_NOROUTE"}}, status=508)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), seen


def listing(*models: Mapping[str, object]) -> bytes:
    """What the management API answers."""
    return json.dumps({"models": models}).encode()


async def test_it_lists_what_the_other_serves_itself() -> None:
    """With all that is told; what that one has from a third, or only holds, is left out."""
    async with a_peer(listing(WHOLE, OLD, THIRD, HELD)) as (url, _):
        node = Node("box", url, node="here")
        whole, old = await node.deployments()
        await node.close()
    assert ("qwen", 32_768, Residency.LOADED, True) == (whole.model, whole.context, whole.residency, whole.local)
    assert {Capability.CHAT, Capability.TOOLS} == whole.capabilities
    told = (whole.traits.quantization, whole.traits.parameters, whole.traits.family, whole.traits.is_passed_on)
    assert ("Q4_K_M", 8_000_000_000, "qwen3", True) == told
    assert (131_072, 6, "ab" * 32) == (whole.traits.context_max, whole.traits.slots, whole.traits.digest)
    assert "Qwen/Qwen3-8B-GGUF" == whole.traits.repo
    assert (True, Residency.UNKNOWN) == (Capability.CHAT in old.capabilities, old.residency)


async def test_who_is_named_is_offered_wherever_it_comes_from() -> None:
    """Also what nobody lists: whether it answers is for the breaker to find out."""
    async with a_peer(listing(WHOLE, THIRD)) as (url, _):
        node = Node("box", url, models=["third", "unheard"], node="here")
        assert ["third", "unheard"] == [each.model for each in await node.deployments()]
        await node.close()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"models":3}', b'{"models":[{}]}', b"[" * 100_000, b"\xff"])
async def test_a_list_that_is_none_is_an_error_of_ours(content: bytes) -> None:
    """Never another, and with the name of the backend."""
    async with a_peer(content) as (url, _):
        node = Node("box", url, node="here")
        with pytest.raises(RoundhouseError, match="box"):
            await node.deployments()
        await node.close()


async def test_a_request_says_where_it_came_over() -> None:
    """Streamed or not: the nodes before us, then us; and its urgency and its id."""
    async with a_peer(listing(WHOLE)) as (url, seen):
        node = Node("box", url, node="here")
        (deployment,) = await node.deployments()
        request = replace(ask_chat(), hops=("first", "second"), priority=80)
        with pytest.raises(LoopError) as caught:
            await node.answer(request, deployment)
        with pytest.raises(LoopError):
            await anext(node.stream(replace(request, stream=True), deployment))
        await node.close()
    told = [
        tuple(each.headers[f"x-{name}"] for name in ("roundhouse-hops", "roundhouse-priority", "request-id"))
        for each in seen
        if each.path == "/v1/chat/completions"
    ]
    assert [("first, second, here", "80", "request")] * 2 == told
    assert (True, True) == (caught.value.retryable, "box" in caught.value.message)


@pytest.mark.parametrize("use", list(CacheUse))
async def test_no_answer_of_one_tenant_is_given_to_another(use: CacheUse) -> None:
    """Over there all of ours are one: what may be remembered, we remember ourselves."""
    async with a_peer(listing(WHOLE)) as (url, seen):
        node = Node("box", url, node="here")
        (deployment,) = await node.deployments()
        with pytest.raises(LoopError):
            await node.answer(replace(ask_chat(), cache=use), deployment)
        await node.close()
    assert "off" == seen[-1].headers["x-roundhouse-cache"]


async def test_an_error_within_a_stream_means_the_same() -> None:
    """It was waiting, and then there was no room: that is no fault of the backend."""
    async with a_peer(listing(WHOLE)) as (url, _):
        node = Node("box", url, node="here")
        (deployment,) = await node.deployments()
        with pytest.raises(CapacityError, match="box: full"):
            await anext(node.stream(ask_chat("later", stream=True), deployment))
        await node.close()


@pytest.mark.parametrize(
    ("told", "local"), [({"leaves_machine": False}, True), ({"leaves_machine": True}, False), ({}, False)]
)
async def test_what_leaves_the_other_machine_is_not_called_local(told: Mapping[str, object], *, local: bool) -> None:
    """Nor what does not say so: there may be a cloud behind it."""
    async with a_peer(listing({**OLD, **told})) as (url, _):
        node = Node("box", url, node="here")
        (deployment,) = await node.deployments()
        await node.close()
    assert local == deployment.local


async def test_its_health_asks_nobody_behind_it() -> None:
    """Who asked for that could be asked back, for ever."""
    async with a_peer(b"") as (url, seen):
        node = Node("box", url, node="here")
        assert (await node.health()).ok
        await node.close()
    assert ["/healthz"] == [each.path for each in seen]


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (508, "E_NOROUTE", LoopError, True),
        (422, "E_NOROUTE", BackendError, True),
        (403, "E_LICENSE", BackendError, True),
        (404, "E_NOTFOUND", BackendError, True),
        (503, "E_CAPACITY", CapacityError, True),
        (429, "E_LIMIT", LimitError, True),
        (422, "E_SCHEMA", SchemaError, False),
        (502, "E_BACKEND", BackendError, True),
    ],
)
def test_what_its_refusals_mean_here(status: int, code: str, kind: type[RoundhouseError], *, retryable: bool) -> None:
    """What it cannot do somebody else may; what is wrong with the request is wrong everywhere."""
    content = {"error": {"message": "no", "type": "some_error", "code": code}}
    error = node_failure(status, {"Retry-After": "3"}, json.dumps(content).encode())
    assert (kind, retryable) == (type(error), error.retryable)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("E_SCHEMA", SchemaError),
        ("E_LIMIT", LimitError),
        ("E_TIMEOUT", DeadlineError),
        ("E_CAPACITY", CapacityError),
        ("E_NOROUTE", BackendError),
        ("E_BACKEND", BackendError),
        ("E_PERM", BackendError),
    ],
)
def test_what_its_refusals_within_a_stream_mean_here(code: str, kind: type[RoundhouseError]) -> None:
    """The same: a client's mistake is tried nowhere else, and nobody is called ill for it."""
    content = {"error": {"message": "no", "type": "some_error", "code": code}}
    assert kind is type(meant(error_in_stream(json.dumps(content).encode())))


def test_it_needs_an_address(tmp_path: Path) -> None:
    """There is no usual one: on this machine it would be ourselves."""
    with pytest.raises(ConfigError, match="needs a url"):
        Node.made(Wish("box", "roundhouse"), Workshop(Events(), SystemClock(), {}, tmp_path, node="here"))
