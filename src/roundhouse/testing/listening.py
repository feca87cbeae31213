"""What all fake servers do: listen on a port of this machine, and let go of it. Knows no protocol."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiohttp import web

#: The largest body that a fake takes.
_MOST_BYTES = 64 << 20
#: Seconds that connections have to end when it is over.
_SHUTDOWN_S = 0.1


class Listening:
    """A server that is there inside its ``async with``."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        #: Where it is, once it listens.
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen; on a free port unless one was given."""
        app = web.Application(client_max_size=_MOST_BYTES)
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    def add_routes(self, app: web.Application) -> None:
        """Say what is answered where."""
        raise NotImplementedError
