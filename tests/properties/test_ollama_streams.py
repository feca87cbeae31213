"""However the network cuts a stream of Ollama's, the same is told."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.ollama.saying import Frame, Telling
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Chunk

FRAME = Frame("r", "m", 0)
TEXTS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8)


def stream_of(texts: list[str]) -> bytes:
    """What Ollama would send for these pieces of text."""
    lines = [{"message": {"role": "assistant", "content": text}, "done": False} for text in texts]
    lines.append({"message": {"role": "assistant", "content": ""}, "done": True})
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def told(data: bytes, cuts: list[int]) -> list[Chunk]:
    """What is told of *data* that comes in pieces."""
    telling, places = Telling(FRAME), sorted({0, len(data), *cuts})
    chunks = [chunk for begin, end in pairwise(places) for chunk in telling.feed(data[begin:end])]
    return chunks + telling.finish()


@given(TEXTS, st.data())
def test_the_cuts_of_the_network_change_nothing(texts: list[str], data: st.DataObject) -> None:
    """The chunks are the same, and their text is what was said."""
    stream = stream_of(texts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    chunks = told(stream, cuts)
    assert told(stream, []) == chunks
    said = [choice["delta"].get("content", "") for chunk in chunks for choice in json.loads(chunk.data)["choices"]]
    assert "".join(texts) == "".join(said)


@given(st.binary(min_size=1, max_size=6), st.sampled_from(["arguments", "logprobs", "content", "error"]))
def test_bytes_that_are_no_text_are_an_error_of_ours(noise: bytes, place: str) -> None:
    """Wherever they stand, also where nobody reads them."""
    call = b'{"function":{"name":"f","arguments":{"a":"%b"}}}' % (noise if place == "arguments" else b"x")
    told_of = {key: noise if place == key else b"x" for key in ("content", "logprobs", "error")}
    line = b'{"message":{"content":"%(content)b","tool_calls":[%(call)b]},"logprobs":"%(logprobs)b","done":false}\n'
    if place == "error":
        line = b'{"error":"%(error)b"}\n'
    try:
        chunks = Telling(FRAME).feed(line % {key.encode(): value for key, value in (told_of | {"call": call}).items()})
    except RoundhouseError:
        return
    assert all(json.loads(chunk.data) for chunk in chunks)


@given(TEXTS)
def test_every_split_in_two_is_the_same(texts: list[str]) -> None:
    """Also inside a character."""
    stream = stream_of(texts[:2])
    assert all(told(stream, []) == told(stream, [place]) for place in range(len(stream)))
