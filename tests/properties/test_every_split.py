"""One fixed stream of each dialect, cut at every single position: what comes out never differs.

Not drawn at random, so that no position is ever left out; `test_sse.py` and its neighbours draw.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
from tests.strategies import streams

from roundhouse.backends.kinds.anthropic import telling as anthropic
from roundhouse.backends.kinds.anthropic.saying import Frame as AnthropicFrame
from roundhouse.backends.kinds.gemini import saying as gemini
from roundhouse.backends.kinds.gemini.frame import Frame as GeminiFrame
from roundhouse.backends.kinds.ollama import saying as ollama
from roundhouse.backends.wire.ndjson import LineParser
from roundhouse.backends.wire.sse import EventParser
from roundhouse.backends.wire.stream import AnswerStream
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Chunk

MIB = 1 << 20
#: Sizes of pieces; aiohttp's reader gives up at 128 KiB where somebody waits for a line.
PIECES = (7, 4096, 65_536, 131_071, 131_072, 131_073, MIB)


class Reader(Protocol):
    """What reads a streamed answer."""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that *data* completes."""

    def finish(self) -> list[Chunk]:
        """What is left at the end. Raises RoundhouseError."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of them is read, and a stream of it."""

    make: Callable[[], Reader]
    stream: bytes
    #: How an event begins, and what no answer is whole without.
    begins: bytes
    end: bytes
    #: What a server puts into its stream when it fails after the first words.
    error: bytes


DIALECTS = {
    "openai": Dialect(
        AnswerStream,
        streams.openai_stream(),
        b"data: {",
        b'"finish_reason": "tool_calls"',
        b'data: {"error":{"message":"\xc3\xbcberlastet","type":"server_error"}}\r\n\r\n',
    ),
    "anthropic": Dialect(
        lambda: anthropic.Telling(AnthropicFrame("r", "m", 0)),
        streams.anthropic_stream(),
        b"event: ",
        b"message_stop",
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"\xc3\xbcberlastet"}}\n\n',
    ),
    "gemini": Dialect(
        lambda: gemini.Telling(GeminiFrame("r", "m", 0)),
        streams.gemini_stream(),
        b"data: {",
        b'"finishReason"',
        b'data: {"error":{"code":503,"message":"\xc3\xbcberlastet","status":"UNAVAILABLE"}}\r\n\r\n',
    ),
    "ollama": Dialect(
        lambda: ollama.Telling(ollama.Frame("r", "m", 0)),
        streams.ollama_stream(),
        b'{"model"',
        b'"done": true',
        b'{"error":"\xc3\xbcberlastet"}\n',
    ),
}
#: Bytes of a stream that came before a failure.
BEGUN = 900


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each in turn."""
    return DIALECTS[request.param]


def events(*pieces: bytes) -> list[bytes]:
    """The payloads in these pieces."""
    parser = EventParser()
    return [payload for piece in pieces for payload in parser.feed(piece)] + parser.finish()


def lines(*pieces: bytes) -> list[bytes]:
    """The lines in these pieces."""
    parser = LineParser()
    return [line for piece in pieces for line in parser.feed(piece)] + parser.finish()


def told(make: Callable[[], Reader], *pieces: bytes) -> tuple[list[Chunk], str]:
    """The chunks in these pieces, and the error at their end."""
    reader = make()
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    try:
        return chunks + reader.finish(), ""
    except RoundhouseError as error:
        return chunks, f"{error.code} {error.message}"


def halves(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Cut in two, at every position."""
    return ((stream[:cut], stream[cut:]) for cut in range(len(stream) + 1))


def in_pieces(stream: bytes, size: int) -> list[bytes]:
    """Cut into pieces of *size* bytes."""
    return [stream[begin : begin + size] for begin in range(0, len(stream), size)]


def test_the_script_has_everything() -> None:
    """Else the other tests would show less than they say."""
    stream = streams.openai_stream()
    assert 4096 <= len(stream) <= 8192
    wanted = (b"\xef\xbb\xbf", b": ", b"\r\n\r\n", b"\r\r", b"\n\n", b"\xf0\x9f", b"event:", b"\ndata:", b"[DONE]")
    assert [] == [each for each in wanted if each not in stream]


def test_the_parser_finds_every_payload_at_every_split() -> None:
    """Inside a character, the byte order mark, CR LF, a field's name: nowhere does it matter."""
    stream = streams.openai_stream()
    expected = streams.openai_payloads()
    assert [] == [cut for cut, pair in enumerate(halves(stream)) if expected != events(*pair)]


def test_an_answer_is_the_same_at_every_split(dialect: Dialect) -> None:
    """It is whole, and all of its text is there."""
    make, stream = dialect.make, dialect.stream
    whole = told(make, stream)
    assert ("", 1) == (whole[1], sum(chunk.final for chunk in whole[0]))
    assert [] == [cut for cut, pair in enumerate(halves(stream)) if whole != told(make, *pair)]


def test_an_answer_is_the_same_byte_by_byte(dialect: Dialect) -> None:
    """The most pieces that there can be."""
    make, stream = dialect.make, dialect.stream
    assert told(make, stream) == told(make, *in_pieces(stream, 1))


def test_all_that_was_said_comes_out(dialect: Dialect) -> None:
    """Every character of every language."""
    make, stream = dialect.make, dialect.stream
    chunks = [json.loads(chunk.data) for chunk in told(make, stream)[0]]
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert streams.SAID in said


def test_a_failure_is_the_same_at_every_split(dialect: Dialect) -> None:
    """What was said before it is told, and then the same error is raised; what comes after it is not read."""
    begun = dialect.stream[: dialect.stream.index(dialect.begins, BEGUN)]
    failing = begun + dialect.error + dialect.stream
    whole = told(dialect.make, failing)
    assert (True, True) == (bool(whole[0]), "überlastet" in whole[1])
    assert [] == [cut for cut, pair in enumerate(halves(failing)) if whole != told(dialect.make, *pair)]


def test_what_comes_after_the_end_is_not_read(dialect: Dialect) -> None:
    """Neither more of it, nor a failure, nor a line without an end."""
    whole = told(dialect.make, dialect.stream)
    for more in (dialect.stream, dialect.error, b"x" * (17 << 20)):
        assert whole == told(dialect.make, dialect.stream, more)


def test_a_stream_that_breaks_off_is_never_whole(dialect: Dialect) -> None:
    """Whatever its last byte is, as long as the reason is not there."""
    end = dialect.stream.index(dialect.end)
    assert [] == [cut for cut in range(end) if not told(dialect.make, dialect.stream[:cut])[1]]


@pytest.mark.parametrize("size", PIECES)
def test_a_line_of_a_mebibyte_is_one_payload(size: int) -> None:
    """Between two others, whatever the pieces are."""
    long = json.dumps(
        {"choices": [{"index": 0, "delta": {"content": "ü🚂x" * (MIB // 7)}}]}, ensure_ascii=False
    ).encode()
    payloads = [b"before", long, b"after", b"[DONE]"]
    stream = b"".join(b"data: %b\r\n\r\n" % each for each in payloads)
    assert len(long) >= MIB
    assert payloads == events(*in_pieces(stream, size))
    assert payloads == lines(*in_pieces(b"\n".join(payloads), size))


def test_a_line_of_a_mebibyte_is_one_payload_wherever_its_ends_are_cut() -> None:
    """At each of the positions around both of its ends."""
    head, long, tail = b"data: before\n\ndata: ", b"x" * MIB, b"\r\n\r\ndata: after\n\n"
    stream = head + long + tail
    cuts = [*range(len(head) + 8), *range(len(stream) - len(tail) - 8, len(stream) + 1)]
    expected = [b"before", long, b"after"]
    assert [] == [cut for cut in cuts if expected != events(stream[:cut], stream[cut:])]
