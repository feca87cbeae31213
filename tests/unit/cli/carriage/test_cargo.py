from http.client import HTTPConnection
from socket import socketpair

from roundhouse.cli.carriage import load


def test_everything_is_sent_while_nobody_answers() -> None:
    """Piece by piece."""
    ours, theirs = socketpair()
    connection = HTTPConnection("localhost")
    connection.sock = ours
    with ours, theirs:
        assert [b"a", b"b"] == list(load(connection, [b"a", b"b"]))


def test_nothing_more_is_sent_after_the_answer() -> None:
    """A refusal comes early."""
    ours, theirs = socketpair()
    connection = HTTPConnection("localhost")
    connection.sock = ours
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 422")
        assert [b"a"] == list(load(connection, [b"a", b"b", b"c"]))
