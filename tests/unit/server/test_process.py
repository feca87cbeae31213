"""Listening, and what is said when that is not possible."""

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from roundhouse.core.errors import ConflictError
from roundhouse.server.process import _endings, _instead, _listen


@pytest.fixture
def hangup() -> Iterator[None]:
    """SIGHUP is as it was, afterwards."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_taken_port_is_told_with_the_next_one() -> None:
    """The hint can be typed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError) as caught:
            _listen("127.0.0.1", port)
    assert f"--port {port + 1 if port < 65_535 else 0}" in str(caught.value.hint)


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.77"])
def test_an_address_that_is_not_ours_is_no_taken_port(host: str) -> None:
    """Another port would not help."""
    with pytest.raises(ConflictError) as caught:
        _listen(host, 0)
    assert ("--host" in str(caught.value.hint), "--port" in str(caught.value.hint)) == (True, False)


@pytest.mark.parametrize(
    ("error", "port", "says"),
    [
        (PermissionError(13, os.strerror(13)), 80, "--port 8484"),
        (OSError(98, os.strerror(98)), 8484, "--port 8485"),
        (OSError(98, os.strerror(98)), 65_535, "--port 0"),
    ],
)
def test_the_hint_names_a_port_that_can_be_had(error: OSError, port: int, says: str) -> None:
    """Not the next low one, and none above the last."""
    assert says in _instead(error, port)


@pytest.mark.usefixtures("hangup")
def test_a_closed_terminal_ends_us_unless_we_were_to_outlive_it() -> None:
    """As Ctrl-C does, with answers finished; but not below ``nohup``."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert [signal.SIGTERM, signal.SIGINT, signal.SIGHUP] == list(_endings())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert [signal.SIGTERM, signal.SIGINT] == list(_endings())
