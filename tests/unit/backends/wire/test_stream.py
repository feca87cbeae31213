import pytest

from roundhouse.backends.wire.stream import AnswerStream
from roundhouse.core.errors import BackendError

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def test_a_finish_reason_completes_a_stream_without_done() -> None:
    """Some servers just close the connection."""
    answer = AnswerStream()
    assert [False, True] == [chunk.final for chunk in answer.feed(TEXT + END) + answer.finish()]


def test_done_completes_a_stream_without_a_finish_reason() -> None:
    """Then the finish reason is added."""
    answer = AnswerStream()
    assert [False, True] == [chunk.final for chunk in answer.feed(TEXT + b"data: [DONE]\n\n") + answer.finish()]


def test_a_stream_with_neither_failed() -> None:
    """A clean end of the connection in the middle of an answer is no success."""
    answer = AnswerStream()
    answer.feed(TEXT)
    with pytest.raises(BackendError, match="middle"):
        answer.finish()


def test_what_came_before_a_failure_is_given_out() -> None:
    """Text that arrived together with an error is not lost."""
    answer = AnswerStream()
    assert [True] == [chunk.visible for chunk in answer.feed(TEXT + b'data: {"error":"no"}\n\n' + TEXT)]
    with pytest.raises(BackendError, match="no"):
        answer.finish()


def test_after_done_nothing_counts() -> None:
    """What follows the end is not part of the answer."""
    answer = AnswerStream()
    assert 2 == len(answer.feed(TEXT + END + b"data: [DONE]\n\n" + TEXT))
    assert (True, []) == (answer.done, answer.finish())


def test_an_endless_event_is_a_failure_at_the_end() -> None:
    """The parser's own limit comes out like any other failure."""
    answer = AnswerStream()
    assert [] == answer.feed(b"data: " + b"x" * (17 << 20))
    with pytest.raises(BackendError, match="larger"):
        answer.finish()
