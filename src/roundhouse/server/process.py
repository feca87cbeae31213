"""One process from start to drained stop, and the same without a port for a command that finds no server.

Knows nothing about requests: `asgi` mounts what `app` built, uvicorn speaks HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
import uvloop

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.errors import ConflictError
from roundhouse.server import home
from roundhouse.server.asgi import mount
from roundhouse.server.protocol import DeadlineProtocol
from roundhouse.server.welcome import welcome
from roundhouse.settings import Settings
from roundhouse.telemetry import logs

#: Longer than any client keeps a connection for reuse, so that the client closes first.
KEEP_ALIVE_S = 75
#: A command waits this many tenths of a second for another command to finish with the home.
PATIENCE = 50
#: A command that looks whether somebody holds the home holds it itself for an instant.
GLANCE = 5
_LAST_PORT = 65_535


class _Server(uvicorn.Server):
    """Uvicorn in three steps instead of one, and without its own signal handling: the process decides when it stops."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def start(self, listener: socket.socket | None = None) -> None:
        """Listen from now on."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([listener] if listener else None)

    async def serve_until_told(self, listener: socket.socket | None = None) -> None:
        """Serve until ``should_exit``, then drain."""
        await self.main_loop()
        await self._stopping()
        await self.shutdown([listener] if listener else None)


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Raises ConflictError when the home or the port is taken."""
    _log_as(settings, settings.log.level)
    home.prepare(settings.home)
    with home.locked(settings.home, tries=GLANCE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        listener = _listen(settings.server.host, settings.server.port)
        runner.run(_serve(settings, listener, announce))
    return 0


def _log_as(settings: Settings, level: str) -> None:
    """Send the log to stderr; a command shows errors only, since it tells the rest itself."""
    form = settings.log.format
    logs.configure(sys.stderr, level=level, pretty=None if form == "auto" else form == "console")


async def _serve(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    host, port = listener.getsockname()[:2]
    # Commands read this one and send it the admin key, so it never leads through somebody's proxy.
    here = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else _literal(host)}:{port}"
    async with open_roundhouse(settings, url=settings.server.public_url or here) as roundhouse:
        server = _uvicorn(roundhouse, drain_s=settings.server.drain_s)
        loop = asyncio.get_running_loop()
        for number in _endings():
            loop.add_signal_handler(number, _stop, server)
        await server.start(listener)
        _spare_the_collector()
        try:
            home.write_note(settings.home, here)
            announce(await welcome(roundhouse))
            await server.serve_until_told(listener)
        finally:
            home.remove_note(settings.home)


def _spare_the_collector() -> None:
    """Leave what lives as long as the process out of every later collection, and collect less often.

    Requests leave little behind that reference counting does not free; walking all modules for it cost a tenth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _endings() -> Iterator[signal.Signals]:
    """The signals that end us: a terminal that closes too, unless we were started to outlive it (``nohup``)."""
    yield from (signal.SIGTERM, signal.SIGINT)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def _stop(server: _Server) -> None:
    """Drain at the first signal; do not wait at the second."""
    server.force_exit = server.should_exit
    server.should_exit = True


def _uvicorn(roundhouse: Roundhouse, *, drain_s: float, uds: str | None = None) -> _Server:
    config = uvicorn.Config(
        mount(roundhouse),
        uds=uds,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        ws_max_size=4096,  # clients have nothing to say there
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(drain_s)),
        backlog=2048,
    )
    return _Server(config, roundhouse.rooms.feed.end)


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    """Bind now, so that a taken port is an error of ours before anything else starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise ConflictError(message, hint=_instead(error, port)) from error
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def _instead(error: OSError, port: int) -> str:
    """What helps when that address cannot be listened on."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "`--host` takes an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for others too"
    if isinstance(error, PermissionError):
        return "low ports are the administrator's; start with `--port 8484`"
    return f"stop what listens there, or start with `--port {port + 1 if port < _LAST_PORT else 0}`"


@contextmanager
def in_process(settings: Settings) -> Iterator[str]:
    """Everything but the port: a socket that only this user can reach, while the context is open. Yields its path."""
    _log_as(settings, "error")
    home.prepare(settings.home)
    with home.locked(settings.home, tries=PATIENCE), tempfile.TemporaryDirectory(prefix="roundhouse-") as folder:
        path = str(Path(folder) / "api.sock")
        stay = _InProcess(settings, path)
        stay.start()
        try:
            yield path
        finally:
            stay.stop()


class _InProcess:
    """The server in a thread of a command."""

    def __init__(self, settings: Settings, path: str) -> None:
        self._settings, self._path = settings, path
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="roundhouse-in-process")

    def start(self) -> None:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        async with open_roundhouse(self._settings, url="in-process") as roundhouse:
            self._server = _uvicorn(roundhouse, drain_s=1, uds=self._path)
            await self._server.start()
            self._started.set()
            await self._server.serve_until_told()
