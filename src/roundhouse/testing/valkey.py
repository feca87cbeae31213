"""A Valkey or Redis for tests: the one that is named, or one of our own that keeps nothing. Knows no key."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from roundhouse.testing.program import free_port, wait_until

#: Names a running server, as a URL; then none is started.
URL_VARIABLE = "ROUNDHOUSE_TEST_VALKEY_URL"
_PROGRAMS = ("valkey-server", "redis-server")


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
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd="/") as process:  # noqa: S603 - our own words
        try:
            wait_until(lambda: _listens(port), process, lambda: "Valkey did not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
