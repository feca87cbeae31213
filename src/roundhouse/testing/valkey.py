"""A Valkey or Redis for tests: the one that is named, or one of our own that keeps nothing. Knows no key."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

#: Names a running server, as a URL; then none is started.
URL_VARIABLE = "ROUNDHOUSE_TEST_VALKEY_URL"
_PROGRAMS = ("valkey-server", "redis-server")
_START_TRIES = 200
_TRY_S = 0.05


class ValkeyMissingError(RuntimeError):
    """No Valkey on this machine: install Debian's redis-server, or set ROUNDHOUSE_TEST_VALKEY_URL."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@contextmanager
def valkey(environ: Mapping[str, str]) -> Iterator[str]:
    """The URL of a server that anything may be put in. Raises ValkeyMissingError."""
    if url := environ.get(URL_VARIABLE):
        yield url
        return
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise ValkeyMissingError
    port = _free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd="/") as process:  # noqa: S603 - our own words
        try:
            _wait_until_ready(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_START_TRIES):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            pass
        else:
            return
        try:
            process.wait(_TRY_S)
        except subprocess.TimeoutExpired:
            continue
        break
    message = "Valkey did not start"
    raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
