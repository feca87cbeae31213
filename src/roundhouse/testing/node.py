"""A whole Roundhouse behind a real port, in the loop of the test: the other node that one talks to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.server.asgi import mount
from roundhouse.settings import load


@dataclass(frozen=True, slots=True)
class Node:
    """One that listens."""

    url: str
    house: Roundhouse


def a_port() -> tuple[socket.socket, str]:
    """Take a port, so that others can be told its address before anybody listens; to be given to ``a_node``."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def a_node(
    home: Path, flags: Mapping[str, object], port: tuple[socket.socket, str] | None = None
) -> AsyncIterator[Node]:
    """Open one in *home* that finds no neighbours by itself."""
    listener, url = port or a_port()
    await asyncio.to_thread((home / "run").mkdir, parents=True, exist_ok=True)
    settings = load(home=home, flags={"discovery.enabled": False, **flags}, environment={})
    async with open_roundhouse(settings, url=url) as house:
        config = uvicorn.Config(
            mount(house), log_config=None, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        listener.listen(128)
        config.load()
        serving = asyncio.create_task(server._serve([listener]))  # noqa: SLF001 - without its own signal handlers
        try:
            yield Node(url, house)
        finally:
            server.should_exit = True
            await serving
