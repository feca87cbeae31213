"""However the network cuts a stream of Anthropic's, the same is told; and whatever comes, nothing foreign is raised."""

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.hostile import mutated

from roundhouse.backends.kinds.anthropic.saying import Frame, whole_answer
from roundhouse.backends.kinds.anthropic.telling import Telling
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Chunk
from roundhouse.testing.anthropic import encoded
from roundhouse.testing.anthropic_shapes import Said, events, said_of, whole

FRAME = Frame("r", "m", 0)
TEXTS = st.text(min_size=1, max_size=30).filter(str.strip)
BLOCKS = st.one_of(
    TEXTS.map(lambda text: {"type": "text", "text": text}),
    TEXTS.map(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}),
    st.dictionaries(TEXTS, st.integers(), max_size=2).map(
        lambda given: {"type": "tool_use", "id": "t", "name": "add", "input": given}
    ),
)
SAYINGS = st.lists(BLOCKS, max_size=4).map(lambda blocks: Said("m", tuple(blocks), {"output_tokens": 3}))
#: One of each kind, as the fake tells it.
BODY: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "the engine turns"}]}
THOUGHT = said_of({**BODY, "thinking": {"type": "adaptive"}})
CALL = said_of({**BODY, "tools": [{"name": "add"}]})


def stream_of(said: Said) -> bytes:
    """What Anthropic would send."""
    return b"".join(map(encoded, events(said)))


def told(data: bytes, cuts: list[int]) -> list[Chunk]:
    """What is told of *data* that comes in pieces."""
    telling, places = Telling(FRAME), sorted({0, len(data), *cuts})
    chunks = [chunk for begin, end in pairwise(places) for chunk in telling.feed(data[begin:end])]
    return chunks + telling.finish()


def outcome(data: bytes, cuts: list[int]) -> object:
    """The same, or the error of ours that it is."""
    try:
        return told(data, cuts)
    except RoundhouseError as error:
        return error.message


@pytest.mark.parametrize("said", [THOUGHT, CALL])
def test_every_split_in_two_is_the_same(said: Said) -> None:
    """Also inside a character."""
    stream = stream_of(said)
    expected = told(stream, [])
    assert all(expected == told(stream, [place]) for place in range(len(stream)))


@given(SAYINGS, st.data())
def test_the_cuts_of_the_network_change_nothing(said: Said, data: st.DataObject) -> None:
    """Streamed or whole, cut or not, it says the same."""
    stream = stream_of(said)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    chunks = told(stream, cuts)
    assert told(stream, []) == chunks
    assert summed(chunks) == joined(json.loads(whole_answer(json.dumps(whole(said)).encode(), FRAME).data), said)


def summed(chunks: list[Chunk]) -> dict[str, Any]:
    """What a client makes of a stream."""
    found: dict[str, Any] = {"content": "", "reasoning": "", "thinking_blocks": [], "calls": {}}
    for chunk in chunks:
        for choice in json.loads(chunk.data)["choices"]:
            delta = choice["delta"]
            found["content"] += delta.get("content", "")
            found["reasoning"] += delta.get("reasoning_content", "")
            found["thinking_blocks"] += delta.get("thinking_blocks", [])
            for call in delta.get("tool_calls", []):
                known = found["calls"].setdefault(call["index"], "")
                found["calls"][call["index"]] = known + call["function"]["arguments"]
    found["calls"] = [json.loads(arguments) for arguments in found["calls"].values()]
    return found


def joined(answer: dict[str, Any], said: Said) -> dict[str, Any]:
    """The same of a whole answer; the fake splits text at white space, so that is all it keeps."""
    message = answer["choices"][0]["message"]
    texts = [" ".join(str(block["text"]).split()) for block in said.blocks if block["type"] == "text"]
    return {
        "content": "".join(texts),
        "reasoning": message.get("reasoning_content", ""),
        "thinking_blocks": message.get("thinking_blocks", []),
        "calls": [json.loads(call["function"]["arguments"]) for call in message.get("tool_calls", [])],
    }


@given(st.integers(0, 1 << 32))
def test_a_hostile_stream_raises_nothing_foreign(seed: int) -> None:
    """And the cuts of the network change nothing about it."""
    chance = random.Random(seed)
    stream = stream_of(chance.choice((THOUGHT, CALL)))
    damaged = mutated(stream, len(stream), chance)
    assert outcome(damaged, []) == outcome(damaged, [chance.randrange(len(damaged) + 1) for _ in range(3)])


@given(st.integers(0, 1 << 32))
def test_a_hostile_answer_raises_nothing_foreign(seed: int) -> None:
    """It is an answer, or an error of ours."""
    chance = random.Random(seed)
    data = json.dumps(whole(chance.choice((THOUGHT, CALL)))).encode()
    damaged = mutated(data, len(data), chance)
    try:
        said = bool(json.loads(whole_answer(damaged, FRAME).data)["choices"])
    except RoundhouseError as error:
        said = bool(error.message)
    assert said


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from([event["type"] for event in events(THOUGHT)] + ["error"])},
    optional={
        "index": st.integers(-1, 2) | ODD,
        "message": ODD | st.fixed_dictionaries({"usage": ODD}),
        "content_block": ODD | BLOCKS,
        "delta": ODD | st.fixed_dictionaries({}, optional={"text": ODD, "stop_reason": ODD, "partial_json": ODD}),
        "usage": ODD | st.fixed_dictionaries({}, optional={"input_tokens": ODD, "output_tokens": st.integers()}),
        "error": ODD | st.fixed_dictionaries({}, optional={"type": ODD, "message": ODD}),
    },
)


@given(st.lists(FIELDS | ODD, max_size=8))
def test_events_of_any_shape_raise_nothing_foreign(found: list[Any]) -> None:
    """Whoever speaks."""
    data = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in found)
    assert isinstance(outcome(data, []), list | str)
