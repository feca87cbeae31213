"""The parser of event streams: how the bytes were cut into pieces never matters."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.wire.sse import EventParser

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b": comment",
        b"event: e",
        b"",
        b"data: \xc3\xa9",
        b"id",
        b"data: [DONE]",
        b" ",
        b":",
    ]
)
STREAMS = st.builds(
    lambda bom, lines: bom + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(LINES, LINE_ENDS), max_size=12),
)


def parse(*pieces: bytes) -> list[bytes]:
    """Everything that these pieces hold."""
    parser = EventParser()
    return [payload for piece in pieces for payload in parser.feed(piece)] + parser.finish()


@given(STREAMS)
def test_every_cut_in_two_gives_the_same_events(stream: bytes) -> None:
    """Wherever one cut falls, also inside CR LF, the byte order mark or a character."""
    whole = parse(stream)
    assert [whole] * (len(stream) + 1) == [parse(stream[:cut], stream[cut:]) for cut in range(len(stream) + 1)]


@given(STREAMS)
def test_single_bytes_give_the_same_events(stream: bytes) -> None:
    """The most pieces that there can be."""
    assert parse(stream) == parse(*(stream[index : index + 1] for index in range(len(stream))))


@given(STREAMS, st.data())
def test_any_pieces_give_the_same_events(stream: bytes, data: st.DataObject) -> None:
    """Several cuts at once, with empty pieces between them."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(stream) == parse(*pieces)


@given(st.lists(st.binary(max_size=40).filter(lambda text: not set(text) & {0x0A, 0x0D}), max_size=8))
def test_what_is_written_is_read(texts: list[bytes]) -> None:
    """Any payloads without line ends come out as they went in."""
    assert texts == parse(b"".join(b"data: %b\n\n" % text for text in texts))
