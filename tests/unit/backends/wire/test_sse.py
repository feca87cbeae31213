import pytest

from roundhouse.backends.wire.sse import EventParser
from roundhouse.core.errors import BackendError


def payloads(stream: bytes) -> list[bytes]:
    """Everything in *stream*, fed at once."""
    parser = EventParser()
    return parser.feed(stream) + parser.finish()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b": keep-alive\n\ndata: a\n\n", [b"a"]),
        (b": note\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"event: x\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"data: a: b\n\n", [b"a: b"]),
        (b"database: a\n\n", []),
        (b"data: [DONE]", [b"[DONE]"]),
        (b"data: [DONE]\n", [b"[DONE]"]),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
def test_the_standard_is_followed(stream: bytes, expected: list[bytes]) -> None:
    """Line ends, byte order mark, comments, other fields, several lines of data."""
    assert expected == payloads(stream)


def test_an_event_has_a_largest_size() -> None:
    """A backend cannot fill our memory with one endless event."""
    parser = EventParser(max_event=100)
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(BackendError):
        parser.feed(b"x" * 90)


def test_many_events_may_be_larger_together() -> None:
    """The limit is for one event, not for what arrives at once."""
    assert 50 == len(EventParser(max_event=100).feed(b"data: hello\n\n" * 50))
