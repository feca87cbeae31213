"""Real servers as child processes of a test: started, waited for, ended. Knows nothing about any of them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TRIES = 200
_TRY_S = 0.05


#: Below those that systems give to whoever connects, which take one away before a slow program listens on it.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Find a port that nobody listens on right now. Raises RuntimeError."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "all ports are taken"
    raise RuntimeError(message)


@contextmanager
def running(
    command: Sequence[str], ready_url: str, *, log: Path, environ: Mapping[str, str], within_s: float = 90.0
) -> Iterator[int]:
    """Run *command* until the end of the block, entered when *ready_url* answers 200; gives its process id.

    Raises:
        RuntimeError: it ended, or did not become ready in time; with the last lines of its log.

    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the tests' own command
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + within_s  # noqa: TID251 - a real program takes real time
        while not _answers(ready_url):
            if process.poll() is not None or time.monotonic() > deadline:  # noqa: TID251
                lines = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                message = f"{command[0]} did not become ready:\n{lines}"
                raise RuntimeError(message)
            time.sleep(0.05)
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], trouble: Callable[[], str]) -> None:
    """Wait for a program that takes connections when it is ready. Raises RuntimeError in the words of *trouble*."""
    for _ in range(_TRIES):
        if is_ready():
            return
        try:
            process.wait(_TRY_S)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(trouble())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - loopback, from the test
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
