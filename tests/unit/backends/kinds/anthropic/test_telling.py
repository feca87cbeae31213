import json
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.saying import Frame
from roundhouse.backends.kinds.anthropic.telling import Telling
from roundhouse.backends.kinds.anthropic.tools import ANSWER_TOOL
from roundhouse.core.errors import BackendError, LimitError
from roundhouse.core.inference import Chunk, TokenUsage
from roundhouse.testing.anthropic import encoded

FRAME = Frame("r1", "m", 1_700_000_000)
START = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
STOP = {"type": "message_stop"}


def ending(reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    """The event with the reason and the counts."""
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2, **usage}}


def block(kind: str, *deltas: dict[str, Any], index: int = 0, **fields: object) -> list[dict[str, Any]]:
    """The events of one block."""
    start = {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}
    pieces = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [start, *pieces, {"type": "content_block_stop", "index": index}]


def said(*texts: str, index: int = 0) -> list[dict[str, Any]]:
    """A block of text."""
    return block("text", *({"type": "text_delta", "text": text} for text in texts), index=index, text="")


def told(*events: dict[str, Any], frame: Frame = FRAME) -> list[Chunk]:
    """What is told of these events."""
    telling = Telling(frame)
    return telling.feed(b"".join(map(encoded, events))) + telling.finish()


def deltas(*events: dict[str, Any], frame: Frame = FRAME) -> list[dict[str, Any]]:
    """Only what is said."""
    chunks = told(START, *events, ending("tool_use"), STOP, frame=frame)
    return [choice["delta"] for chunk in chunks for choice in json.loads(chunk.data)["choices"]]


def test_a_stream_becomes_chunks() -> None:
    """Role first, then words, then the reason, then the usage alone."""
    chunks = told(START, {"type": "ping"}, *said("he", "llo"), ending(), STOP)
    assert [(True, False), (True, False), (False, True), (False, False)] == [(c.visible, c.final) for c in chunks]
    assert [None, None, None, TokenUsage(5, 2)] == [chunk.usage for chunk in chunks]
    first = json.loads(chunks[0].data)
    assert ({"role": "assistant", "content": "he"}, "chatcmpl-r1") == (first["choices"][0]["delta"], first["id"])
    assert ([], True) == (json.loads(chunks[-1].data)["choices"], chunks[-1].usage_only)


def test_arguments_come_in_pieces() -> None:
    """The name once, with the id; each call with its number."""
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"a"', ":1}")]
    calls = [
        delta["tool_calls"][0]
        for delta in deltas(
            *said("ok"),
            *block("tool_use", *pieces, index=1, id="t1", name="add", input={}),
            *block("tool_use", pieces[0], index=2, id="t2", name="now", input={}),
        )
        if "tool_calls" in delta
    ]
    assert [(0, "t1", "add"), (1, "t2", "now")] == [
        (call["index"], call["id"], call["function"]["name"]) for call in calls if "id" in call
    ]
    arguments = ["".join(c["function"]["arguments"] for c in calls if c["index"] == number) for number in (0, 1)]
    assert ['{"a":1}', "{}"] == arguments


def test_arguments_may_come_all_at_once() -> None:
    """As some servers with this API do."""
    found = deltas(*block("tool_use", id="t", name="add", input={"a": 1}))
    assert {"a": 1} == json.loads("".join(delta["tool_calls"][0]["function"]["arguments"] for delta in found[:2]))


def test_thoughts_are_seen_and_then_given_to_keep() -> None:
    """Each as a whole, with its signature, which comes last."""
    thought = [{"thinking": "h"}, {"thinking": "m"}, {"signature": "s1"}, {"signature": "s2"}]
    found = deltas(
        *block("thinking", *thought, thinking="", signature=""), *block("redacted_thinking", index=1, data="x")
    )
    assert ["h", "m"] == [delta["reasoning_content"] for delta in found if "reasoning_content" in delta]
    kept = [delta["thinking_blocks"][0] for delta in found if "thinking_blocks" in delta]
    assert [
        {"type": "thinking", "thinking": "hm", "signature": "s1s2"},
        {"type": "redacted_thinking", "data": "x"},
    ] == kept


def test_thoughts_that_nobody_signed_are_only_seen() -> None:
    """They need not come back."""
    assert not any("thinking_blocks" in delta for delta in deltas(*block("thinking", {"thinking": "h"})))


def test_an_answer_by_a_tool_is_content() -> None:
    """Piece by piece, and its reason is no call."""
    frame = Frame("r", "m", 0, by_tool=True)
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"a"', ":1}")]
    events = block("tool_use", *pieces, id="t", name=ANSWER_TOOL, input={})
    assert '{"a":1}' == "".join(delta.get("content", "") for delta in deltas(*events, frame=frame))
    chunks = told(START, *events, ending("tool_use"), STOP, frame=frame)
    assert "stop" == json.loads(chunks[-2].data)["choices"][0]["finish_reason"]


def test_counts_are_those_that_were_said_last_or_at_all() -> None:
    """Other servers begin with zero and tell at the end; Anthropic tells the prompt at the beginning."""
    zero = {"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}}
    late = told(zero, *said("a"), ending(input_tokens=7, cache_read_input_tokens=3), STOP)
    early = told(START, *said("a"), ending(), STOP)
    assert [TokenUsage(10, 2, 3), TokenUsage(5, 2)] == [late[-1].usage, early[-1].usage]


def test_why_it_refused_is_told() -> None:
    """Before the reason."""
    delta = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "not that"}}
    chunks = told(START, {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0}}, STOP)
    first, last = (json.loads(chunk.data)["choices"][0] for chunk in chunks[:2])
    assert ("not that", "content_filter") == (first["delta"]["refusal"], last["finish_reason"])


def test_what_is_new_is_no_error() -> None:
    """Events, blocks and deltas that nobody knows."""
    new = [
        {"type": "something_new", "delta": "of another type", "index": "one"},
        *block("web_search_tool_result", {"type": "odd_delta", "odd": 1}, index=1, content=[{"type": "x"}], name=7),
        {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "of no block"}},
        {"type": "content_block_stop", "index": 9},
        {"no": "type"},
    ]
    assert "ab" == "".join(delta.get("content", "") for delta in deltas(*said("a"), *new[:-1], *said("b", index=2)))
    assert told(START, *said("a"), ending(), STOP) == [
        *Telling(FRAME).feed(
            b"data: %b\n\n" % json.dumps(new[-1]).encode() + b"".join(map(encoded, [START, *said("a"), ending(), STOP]))
        )
    ]


@pytest.mark.parametrize(
    ("error", "kind"), [("overloaded_error", BackendError), ("rate_limit_error", LimitError), ("new", BackendError)]
)
def test_an_error_after_200_is_an_error(error: str, kind: type[Exception]) -> None:
    """What came before is given out before it is raised."""
    telling = Telling(FRAME)
    event = {"type": "error", "error": {"type": error, "message": "Overloaded"}}
    assert 1 == len(telling.feed(b"".join(map(encoded, [START, *said("he"), event, *said("llo")]))))
    with pytest.raises(kind, match="Overloaded"):
        telling.finish()
    assert telling.done


def test_an_error_in_openais_words_is_one_too() -> None:
    """As a proxy writes it."""
    telling = Telling(FRAME)
    telling.feed(b'data: {"error":{"message":"no more","code":"503"}}\n\n')
    with pytest.raises(BackendError, match="no more"):
        telling.finish()


@pytest.mark.parametrize("events", [[], [START], [START, *said("a")], [START, *said("a"), ending()]])
def test_a_stream_without_its_end_was_cut(events: list[dict[str, Any]]) -> None:
    """Also after the reason."""
    telling = Telling(FRAME)
    telling.feed(b"".join(map(encoded, events)))
    with pytest.raises(BackendError, match="middle"):
        telling.finish()


def test_an_end_without_its_last_line_is_one() -> None:
    """Some servers forget it."""
    telling = Telling(FRAME)
    telling.feed(b"".join(map(encoded, [START, *said("a"), ending()])) + b'data: {"type":"message_stop"}')
    assert [True, False] == [chunk.final for chunk in telling.finish()]


def test_after_the_end_nothing_counts() -> None:
    """Whatever comes."""
    telling = Telling(FRAME)
    telling.feed(b"".join(map(encoded, [START, ending(), STOP, *said("a")])))
    assert (True, []) == (telling.done, telling.feed(encoded(STOP)) if not telling.done else telling.finish())


def test_an_empty_answer_has_its_role() -> None:
    """Nothing was said, and that is an answer."""
    first = json.loads(told(START, ending(), STOP)[0].data)["choices"][0]
    assert ({"role": "assistant", "content": ""}, "stop") == (first["delta"], first["finish_reason"])


@pytest.mark.parametrize(
    "payload",
    [
        b"<html>", b"[]", b'{"type":7}', b'{"type":"content_block_delta","delta":7}', b"[" * 5000, b"\xff\xfe",
        b'{"type":"content_block_start","content_block":{"type":"text","text":7}}', b'{"type":"content_block_start"}',
        b'{"type":"message_start","message":{"usage":{"input_tokens":1e99}}}', b'{"type":"error","error":[]}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_an_error(payload: bytes) -> None:
    """Never a foreign exception."""
    telling = Telling(FRAME)
    telling.feed(b"data: " + payload + b"\n\n")
    with pytest.raises(BackendError):
        telling.finish()


def test_it_does_not_grow_without_end() -> None:
    """Neither by blocks that are never closed, nor by a thought that never ends."""
    many, endless = Telling(FRAME), Telling(FRAME)
    many.feed(b"".join(encoded(said(index=index)[0]) for index in range(100)))
    start, piece, _ = block("thinking", {"thinking": "x" * (1 << 20)})
    endless.feed(encoded(start) + encoded(piece) * 17)
    for telling, reason in ((many, "blocks"), (endless, "longer")):
        with pytest.raises(BackendError, match=reason):
            telling.finish()
