"""Frames of a WebSocket: what a client may send, in whatever pieces it comes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.server.frames import CLOSE, MOST, PING, TEXT, FrameError, Frames, closing, frame


def masked(opcode: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """One frame of a client."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


@given(st.lists(st.tuples(st.sampled_from([TEXT, PING, CLOSE]), st.binary(max_size=125))), st.lists(st.integers(1, 40)))
def test_frames_are_read_in_any_pieces(wanted: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Where the network cuts makes no difference."""
    data, frames, found = b"".join(masked(*each) for each in wanted), Frames(), []
    for cut in cuts:
        found += list(frames.feed(data[:cut]))
        data = data[cut:]
    assert wanted == found + list(frames.feed(data))


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_garbage_is_an_error_or_waits_for_more(pieces: list[bytes]) -> None:
    """Nothing else can come out, and what waits stays small."""
    frames = Frames()
    with suppress(FrameError):
        for piece in pieces:
            assert all(len(payload) <= MOST for _, payload in frames.feed(piece))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\xf1\x80" + bytes(4), 1002),  # reserved bits
        (b"\x83\x80" + bytes(4), 1002),  # an opcode of the future
        (b"\x09\x80" + bytes(4), 1002),  # a ping in pieces
        (b"\x89\xfe\x00\x7e", 1002),  # a long ping
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), 1009),
        (masked(TEXT, bytes(MOST + 1)), 1009),
    ],
)
def test_what_no_client_may_send_is_refused(data: bytes, code: int) -> None:
    """At once, without waiting for the rest of it."""
    with pytest.raises(FrameError) as caught:
        list(Frames().feed(data))
    assert caught.value.code == code


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_of_ours_has_the_shortest_head(size: int, head: int) -> None:
    """As the protocol demands."""
    assert len(frame(TEXT, bytes(size))) == head + size


def test_a_reason_for_closing_is_cut_to_what_fits() -> None:
    """A control frame holds 125 bytes."""
    assert closing(1001, "x" * 500) == b"\x03\xe9" + b"x" * 123
