from roundhouse.core.inference import Chunk
from roundhouse.gateway.sse import OpenAIEvents

EVENTS = OpenAIEvents()


def test_a_piece_is_one_event() -> None:
    """One line, one blank line, no name."""
    assert EVENTS.chunk(Chunk(b'{"a":1}')) == b'data: {"a":1}\n\n'


def test_line_breaks_do_not_end_an_event() -> None:
    """A backend that prints its JSON prettily still sends one object per event."""
    assert EVENTS.chunk(Chunk(b'{\r\n"a":\n1}')) == b'data: {  "a": 1}\n\n'


def test_the_end() -> None:
    """What OpenAI's clients wait for."""
    assert EVENTS.end() == b"data: [DONE]\n\n"


def test_keep_alive_is_a_comment() -> None:
    """Clients skip lines that begin with a colon."""
    assert EVENTS.keep_alive.startswith(b":")
    assert EVENTS.keep_alive.endswith(b"\n\n")
