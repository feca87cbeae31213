"""The gateway behind a real server on a real port."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from tests.unit.gateway.conftest import Names

from roundhouse.access.guard import Guard
from roundhouse.access.keys import Keyring
from roundhouse.gateway import Gateway, Limits
from roundhouse.gateway.vigil import Patience
from roundhouse.testing.serving import ScriptedServing

#: A limit that a test exceeds without wasting memory, and a deadline it can wait for.
LIMITS = Limits(body=4 * 1024 * 1024, receive_s=0.5)


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def served(app: Callable[..., object]) -> Iterator[str]:
    """Serve *app* from a thread; yields its address."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server = _Server(config)
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),))
        thread.start()
        try:
            assert server.listens.wait(20)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def serving() -> ScriptedServing:
    """Whoever serves."""
    return ScriptedServing()


@pytest.fixture
def serve(serving: ScriptedServing) -> Iterator[Callable[..., str]]:
    """Start a gateway with the real guard; gives its address."""
    with ExitStack() as running:

        def start(limits: Limits = LIMITS, patience: Patience = Patience(watch_after=0.01)) -> str:  # noqa: B008 - frozen
            guard = Guard(Keyring(b"pepper"))
            gateway = Gateway(
                serving, guard.of_scope, Names(), lambda: os.urandom(8).hex(), limits=limits, patience=patience
            )
            return running.enter_context(served(gateway))

        yield start


@pytest.fixture
def url(serve: Callable[..., str]) -> str:
    """The address of a gateway."""
    return serve()
