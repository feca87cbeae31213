"""Nodes that name each other: whatever is asked ends, and quickly."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from roundhouse.testing.asking import ask_chat
from roundhouse.testing.program import free_port, running
from roundhouse.testing.upstream import Upstream

pytestmark = pytest.mark.slow

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("ROUNDHOUSE_", "HF_"))}  # noqa: TID251 - given to real programs

PROGRAM = "from roundhouse.cli import main; raise SystemExit(main())"
CONFIG = """
[discovery]
enabled = false
[backends.local]
kind = "llamacpp"
enabled = false
[backends.peer]
kind = "roundhouse"
url = "{peer}"
"""
ECHO = '[backends.echo]\nurl = "{}"'


class Booted(NamedTuple):
    """A real node, and where it keeps what is its own."""

    url: str
    home: Path


@asynccontextmanager
async def two(tmp_path: Path, *, left: str = "", right: str = "") -> AsyncIterator[list[Booted]]:
    """Two real nodes, each with the other as a backend ``peer``, and what else is wished."""
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with ExitStack() as stack:
        starts = []
        for name, own, other, more in (("left", 0, 1, left), ("right", 1, 0, right)):
            home = tmp_path / name
            home.mkdir(mode=0o700)
            (home / "roundhouse.toml").write_text(CONFIG.format(peer=urls[other]) + more)
            command = [sys.executable, "-c", PROGRAM, "up", "--port", str(ports[own])]
            environ = {**ENVIRON, "ROUNDHOUSE_HOME": str(home)}
            one = running(command, f"{urls[own]}/readyz", log=tmp_path / f"{name}.log", environ=environ)
            # In threads, for they ask the fake that runs here.
            starts.append(asyncio.to_thread(stack.enter_context, one))
        await asyncio.gather(*starts)
        yield [Booted(url, tmp_path / name) for url, name in zip(urls, ("left", "right"), strict=True)]


async def ask(method: str, url: str, body: object = None, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
    """Ask a node as a client would."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=body, headers=headers) as response,
    ):
        content = await (response.json() if response.content_type == "application/json" else response.text())
        return response.status, content, response.headers


async def chat(node: Booted, model: str, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
    """Ask *model* for a word."""
    return await ask(
        "POST", f"{node.url}/v1/chat/completions", json.loads(ask_chat().body) | {"model": model}, **headers
    )


async def look_again(node: Booted, backend: str) -> None:
    """Have *node* ask *backend* at once what it serves."""
    key = (node.home / "admin.key").read_text().strip()
    url, authorization = f"{node.url}/api/v1/backends/{backend}/test", {"Authorization": f"Bearer {key}"}
    status, answer, _ = await ask("POST", url, {"prompt": False}, **authorization)
    assert (200, True) == (status, answer["ok"])


async def offered(*nodes: Booted) -> list[list[str]]:
    """What each node offers, after it has asked the other one again."""
    ids = []
    for node in nodes:
        await look_again(node, "peer")
    for node in nodes:
        _, content, _ = await ask("GET", f"{node.url}/api/v1/models")
        ids.append([each for model in content["models"] for each in model["deployments"]])
    return ids


async def test_a_model_that_nobody_has_is_an_error_at_once(tmp_path: Path) -> None:
    """Neither asks the other for it, although each would pass on what the other has."""
    async with two(tmp_path) as (left, right):
        assert [[], []] == await offered(left, right)
        status, answer, _ = await chat(left, "nobody/has-it")
        assert (404, "E_NOTFOUND") == (status, answer["error"]["code"])


async def test_a_model_that_both_name_and_neither_has_goes_round_once(tmp_path: Path) -> None:
    """There, back, and no further: the second visit is refused, and each node counts one request."""
    names = 'models = ["ghost"]'
    async with two(tmp_path, left=names, right=names) as (left, right):
        status, answer, _ = await chat(left, "ghost")
        assert (508, "E_NOROUTE") == (status, answer["error"]["code"])
        for node in (left, right):
            _, metrics, _ = await ask("GET", f"{node.url}/metrics")
            assert 1 == metrics.count('outcome="E_NOROUTE"} 1.0')


async def test_each_serves_what_the_other_has_and_offers_nothing_back(tmp_path: Path) -> None:
    """Nor is who refused a circle called ill: the next request that is in none is tried as before."""
    async with Upstream() as upstream, two(tmp_path, left=ECHO.format(upstream.url)) as (left, right):
        await look_again(left, "echo")
        assert [["peer/echo"], ["echo/echo"]] == await offered(right, left)
        own = (left.home / "node").read_text().strip()
        refused = [(await chat(right, "echo", **{"x-roundhouse-hops": own}))[0] for _ in range(10)]
        status, _, headers = await chat(right, "echo")
        assert ([508] * 10, 200, "peer") == (refused, status, headers["x-roundhouse-backend"])
