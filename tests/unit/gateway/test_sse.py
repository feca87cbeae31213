import pytest

from roundhouse.core.inference import Chunk
from roundhouse.gateway.sse import OpenAIEvents
from roundhouse.serving.admission.rules import Waiting

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


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (Waiting("queued", "m", "a", position=3, eta_s=11.2), b": queued position=3 eta_s=12\n\n"),
        (Waiting("queued", "m", "a", position=1), b": queued position=1\n\n"),
        (Waiting("loading", "m", "a", eta_s=6.0, progress=0.4), b": loading progress=0.40 eta_s=6\n\n"),
        (Waiting("loading", "m", "a"), b": loading\n\n"),
    ],
)
def test_waiting_is_a_comment(waiting: Waiting, expected: bytes) -> None:
    """With what is known, and without what is not; names, which anybody may choose, are not in it."""
    assert expected == EVENTS.waiting(waiting)
