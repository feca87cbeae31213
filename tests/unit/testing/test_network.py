import socket

import pytest


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_no_test_reaches_beyond_this_machine(call: str) -> None:
    """A connection to elsewhere is an error that no handler of network errors swallows."""
    with socket.socket() as client, pytest.raises(RuntimeError, match="network is off"):
        getattr(client, call)(("192.0.2.1", 80))


def test_no_test_asks_a_name_server() -> None:
    """Nor is a name looked up."""
    with pytest.raises(RuntimeError, match="network is off"):
        socket.getaddrinfo("example.org", 80)


def test_loopback_is_open() -> None:
    """Servers that tests start can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert server.getsockname() == client.getpeername()
